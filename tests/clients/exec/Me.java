// A program with Zendesk's address in its code, in Java's own words.

import java.net.URI;

public class Me {
    public static void main(String[] arguments) throws Exception {
        var me = URI.create("https://acme.zendesk.com/api/v2/users/me.json").toURL().openConnection();
        me.getInputStream().transferTo(System.out);
    }
}
