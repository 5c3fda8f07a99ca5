//! What the command reaches without the helper: this machine, and the clouds' metadata services.

use loopdesk_tests::needs::needs;

use super::named;

/// Asks a server of its own by the names of this machine and of the metadata services.
const METADATA: &str = r#"
import http.server, socket, sys, threading, urllib.request

class Metadata(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"role")
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: resolve("127.0.0.1", *more, **named)

def by_urllib(url):
    return urllib.request.urlopen(url).read()

def by_requests(url):
    import requests
    answer = requests.get(url)
    answer.raise_for_status()
    return answer.content

hosts = ["localhost", "api.localhost", "127.0.0.1", "169.254.169.254", "169.254.170.2",
         "metadata.google.internal"]
# urllib reads no networks.
if sys.argv[1] == "requests":
    hosts += ["127.0.0.2", "169.254.170.23"]
for host in hosts:
    answer = globals()["by_" + sys.argv[1]](f"http://{host}:{server.server_port}/latest/meta-data/")
    assert answer == b"role", host
    print(host)
"#;

#[tokio::test]
async fn s9_urllib_and_requests_reach_the_clouds_metadata_without_the_helper() {
    if !needs(&["python3"]) {
        return;
    }
    let (named, daemon) = named().await;
    let python = ["--", "python3", "-c"];
    let urllib = named
        .exec(&[&python[..], &[METADATA, "urllib"]].concat())
        .await
        .ok();
    assert_eq!(urllib.stdout.lines().count(), 6, "{urllib:?}");
    let has_requests = named
        .exec(&[&python[..], &["import requests"]].concat())
        .await;
    if has_requests.code == Some(0) {
        let requests = named
            .exec(&[&python[..], &[METADATA, "requests"]].concat())
            .await
            .ok();
        assert_eq!(requests.stdout.lines().count(), 8, "{requests:?}");
    }
    daemon.stop().await;
}

/// What the guide says of `--key`: it limits what goes to the account's address, and `access = "key"`
/// closes loopdesk's own.
#[tokio::test]
async fn s9_a_key_limits_the_accounts_address_and_access_key_closes_loopdesks_own() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    home.loopdesk(["key", "create", "narrow", "--scope", "tickets:read"])
        .await
        .ok();
    let own = format!("{}/api/v2/users/me.json", named.stage.base());
    let asked = async |url: &str| {
        let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url];
        let exec = ["--key", "narrow", "--"];
        named.exec(&[&exec[..], &curl].concat()).await.ok().stdout
    };
    let articles = "https://acme.zendesk.com/api/v2/help_center/articles.json";
    let own_articles = articles.replace("https://acme.zendesk.com", &named.stage.base());
    assert_eq!(asked(articles).await, "403");
    assert_ne!(asked(&own_articles).await, "403");
    assert_eq!(asked(&own).await, "200");
    home.loopdesk(["account", "set", "acme", "access", "key", "--yes"])
        .await
        .ok();
    assert_eq!(asked(&own).await, "401");
    daemon.stop().await;
}
