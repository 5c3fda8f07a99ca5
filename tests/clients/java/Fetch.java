import java.io.FileInputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * One request with Java's HttpURLConnection: Fetch GET URL, Fetch POST URL TYPE FILE. The body goes to
 * standard output. It follows no redirect from http to https: scripts do that themselves, without
 * the credential.
 */
public class Fetch {
    public static void main(String[] arguments) throws Exception {
        var connection = open(arguments[1]);
        var token = System.getenv("TOKEN");
        var basic = Base64.getEncoder().encodeToString(("me@example.com/token:" + token).getBytes());
        var isBearer = "bearer".equals(System.getenv("CREDENTIAL"));
        connection.setRequestProperty("Authorization", isBearer ? "Bearer " + token : "Basic " + basic);
        if (arguments[0].equals("POST")) {
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", arguments[2]);
            Files.copy(Path.of(arguments[3]), connection.getOutputStream());
        }
        if (connection.getResponseCode() / 100 == 3) {
            connection = open(connection.getHeaderField("Location"));
        }
        if (connection.getResponseCode() >= 300) {
            System.err.println(connection.getResponseCode());
            connection.getErrorStream().transferTo(System.err);
            System.exit(1);
        }
        connection.getInputStream().transferTo(System.out);
        System.out.flush();
    }

    private static HttpURLConnection open(String url) throws Exception {
        var connection = (HttpURLConnection) new URL(url).openConnection();
        if (connection instanceof HttpsURLConnection https) {
            https.setSSLSocketFactory(trusting(System.getenv("SSL_CERT_FILE")).getSocketFactory());
        }
        return connection;
    }

    private static SSLContext trusting(String file) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var stream = new FileInputStream(file)) {
            var number = 0;
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(stream)) {
                store.setCertificateEntry("ca" + number++, certificate);
            }
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
