//! What a script writes back: customers never receive a localhost link.

use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Answer, Protocols, Record, Zendesk};

use crate::{binary, stage};

/// The last POST that Zendesk saw, once it is complete.
async fn posted(stage: &Stage, path: &str) -> Record {
    let is_it = |record: &Record| record.is("POST", path) && record.body_sha256.is_some();
    stage
        .zendesk_sees(|records| records.iter().any(is_it))
        .await;
    let all = stage.zendesk.requests();
    let record = all.into_iter().rfind(is_it).unwrap();
    if let Some(length) = record.header("content-length") {
        assert_eq!(length, record.body_length.to_string(), "{record}");
    }
    record
}

fn text(record: &Record) -> String {
    String::from_utf8(record.body.to_vec()).unwrap()
}

/// Posts `body` by curl and returns what Zendesk saw.
async fn post(stage: &Stage, body: &[u8], arguments: &[&str]) -> Record {
    let file = stage.home.path().join("request");
    std::fs::write(&file, body).unwrap();
    let data = format!("@{}", file.display());
    stage.zendesk.clear();
    let arguments = [&["--data-binary", &data][..], arguments].concat();
    stage.curl("/api/v2/tickets.json", &arguments).await.ok();
    posted(stage, "/api/v2/tickets").await
}

const JSON: [&str; 2] = ["-H", "Content-Type: application/json"];

fn ticket(html: &str) -> Vec<u8> {
    let ticket = serde_json::json!({"ticket": {"subject": "s", "comment": {"html_body": html}}});
    ticket.to_string().into_bytes()
}

/// As people write it: upload, take the address, and put it into the comment.
const SCRIPT: &str = r#"
import json, sys, urllib.request
base = sys.argv[1]
def post(path, body, kind):
    request = urllib.request.Request(base + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
image = b"\x89PNG\r\n\x1a\n" + base.encode() + b"/api/v2/ in an image stays"
upload = post("/api/v2/uploads.json?filename=a%20b.png", image, "image/png")["upload"]
url = upload["attachment"]["content_url"]
assert url.startswith(base + "/attachments/"), url
html = '<p>Look:</p><img src="%s" alt="">' % url
ticket = {"ticket": {"subject": "s", "comment": {"html_body": html, "uploads": [upload["token"]]}}}
created = post("/api/v2/tickets.json", json.dumps(ticket).encode(), "application/json")
print(json.dumps([url, created["ticket"]["id"]]))
"#;

#[tokio::test]
async fn s2_an_image_in_a_comment_leads_to_zendesk() {
    for protocols in [Protocols::Both, Protocols::Http1] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        for host in ["127.0.0.1", "localhost"] {
            stage.zendesk.clear();
            let base = format!("http://{host}:{}", stage.port);
            let output = stage.home.run("python3", ["-c", SCRIPT, &base]).await.ok();
            let seen = output.json();
            let local = seen[0].as_str().unwrap();
            let theirs = local.replace(&base, stage.zendesk.origin());
            let record = posted(&stage, "/api/v2/tickets").await;
            let html = record.json().unwrap()["ticket"]["comment"]["html_body"].clone();
            let expected = format!("<p>Look:</p><img src=\"{theirs}\" alt=\"\">");
            assert_eq!(html.as_str().unwrap(), expected);
            assert!(record.header("content-length").is_some(), "{record}");

            let upload = posted(&stage, "/api/v2/uploads").await;
            let image = String::from_utf8_lossy(&upload.body).into_owned();
            assert!(image.contains(&base), "an upload is not text: {image}");

            let comments = format!("/api/v2/tickets/{}/comments.json", seen[1]);
            let direct = stage.direct(&comments).await;
            assert!(direct.contains(&theirs), "{direct}");
            assert!(!direct.contains(&base), "{direct}");
        }
    }
}

#[tokio::test]
async fn s2_every_spelling_of_this_daemon_is_mapped_back() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let origin = stage.zendesk.origin().to_owned();
    let port = stage.port;
    for host in [
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "[::1]",
        "acme.localhost",
    ] {
        let base = format!("http://{host}:{port}");
        let body = ticket(&format!("<a href='{base}/api/v2/x'>{base}/</a>"));
        let seen = text(&post(&stage, &body, &JSON).await);
        let expected = format!("<a href='{origin}/api/v2/x'>{base}/</a>");
        assert_eq!(seen.as_bytes(), ticket(&expected), "{host}");
    }
    let base = stage.base();
    let php = String::from_utf8(ticket(&format!("{base}/attachments/1"))).unwrap();
    let seen = text(&post(&stage, php.replace('/', r"\/").as_bytes(), &JSON).await);
    assert!(
        seen.contains(&format!("{origin}/attachments/1").replace('/', r"\/")),
        "{seen}"
    );

    let form = format!("comment={base}/attachments/token/x/?name=a&b={base}/hc/");
    let seen = text(&post(&stage, form.as_bytes(), &[]).await);
    assert_eq!(seen, form.replacen(&base, &origin, 1));

    let url = format!("note={base}/api/v2/x");
    stage.zendesk.clear();
    let encoded = ["--data-urlencode", &url, "-d", "b=c"];
    stage.curl("/api/v2/tickets.json", &encoded).await.ok();
    let seen = text(&posted(&stage, "/api/v2/tickets").await);
    let packed = origin.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(seen, format!("note={packed}%2Fapi%2Fv2%2Fx&b=c"));
}

#[tokio::test]
async fn s2_however_it_is_sent() {
    for protocols in [Protocols::Both, Protocols::Http1] {
        let stage = Stage::set(binary(), Zendesk::builder().protocols(protocols)).await;
        let _daemon = stage.logged_in().await;
        let body = ticket(&format!("{}/attachments/1", stage.base()));
        let expected = ticket(&format!("{}/attachments/1", stage.zendesk.origin()));
        for arguments in [
            &[][..],
            &["-H", "Expect: 100-continue"],
            &["-H", "Transfer-Encoding: chunked"],
            &[
                "-H",
                "Transfer-Encoding: chunked",
                "-H",
                "Expect: 100-continue",
            ],
            &["-0"],
            &["-H", "Content-Type: application/json; charset=utf-8"],
            &["-H", "Content-MD5: wrong afterwards"],
        ] {
            let record = post(&stage, &body, &[&JSON[..], arguments].concat()).await;
            assert_eq!(record.body, expected, "{arguments:?}");
            assert_eq!(record.status().unwrap(), 201, "{arguments:?}");
            assert_eq!(record.header("content-md5"), None);
        }
    }
}

#[tokio::test]
async fn s2_what_is_not_text_or_not_wanted_is_sent_as_it_is() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let body = ticket(&format!("{}/attachments/1", stage.base()));
    for arguments in [
        &["-H", "Content-Type: text/plain"][..],
        &["-H", "Content-Type: application/octet-stream"],
        &[JSON[0], JSON[1], "-H", "X-Loopdesk-Rewrite: off"],
        &[JSON[0], JSON[1], "-H", "Content-Encoding: br"],
    ] {
        let record = post(&stage, &body, arguments).await;
        assert_eq!(record.body, body, "{arguments:?}");
    }
    let packed = super::gzip(&body);
    let gzip = [&JSON[..], &["-H", "Content-Encoding: gzip"]].concat();
    assert_eq!(post(&stage, &packed, &gzip).await.body, packed);

    let stage = Stage::with_config(binary(), Zendesk::builder(), "", "rewrite = []").await;
    let _daemon = stage.logged_in().await;
    let body = ticket(&format!("{}/attachments/1", stage.base()));
    assert_eq!(post(&stage, &body, &JSON).await.body, body);
}

#[tokio::test]
async fn s2_files_are_changed_in_neither_direction() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let link = format!("{}/api/v2/x", stage.base());
    let body = serde_json::json!({"next_page": &link}).to_string();
    let file = stage.home.path().join("file");
    std::fs::write(&file, &body).unwrap();
    let data = format!("@{}", file.display());
    let types = ["application/json", "application/x-www-form-urlencoded"];
    for path in [
        // The type that node-zendesk gives every upload.
        "/api/v2/uploads.json?filename=a.json",
        "/api/v2/Uploads?filename=a.json",
        "/api/v1/uploads",
        "/api/v2/macros/attachments.json",
        "/api/v2/tickets/side_conversations/attachments",
        "/api/v2/custom_objects/car/records/35436/attachments",
        "/api/v2/help_center/en-us/articles/35436/attachments.json",
    ] {
        for media_type in types {
            stage.zendesk.clear();
            let kind = format!("Content-Type: {media_type}");
            stage
                .curl(path, &["--data-binary", &data, "-H", &kind])
                .await
                .ok();
            let is_it = |record: &Record| record.method == "POST" && record.body_sha256.is_some();
            stage
                .zendesk_sees(|records| records.iter().any(is_it))
                .await;
            let record = stage.zendesk.requests().into_iter().find(is_it).unwrap();
            assert_eq!(record.body, body.as_bytes(), "{path} as {media_type}");
        }
    }
    let theirs = format!("{}/api/v2/x", stage.zendesk.origin());
    let page = serde_json::json!({"next_page": &theirs}).to_string();
    for (path, is_file) in [
        ("/attachments/token/x/", true),
        ("/attachments/TOKEN/x", true),
        ("/hc/article_attachments/1/a.json", true),
        ("/hc/en-us/article_attachments/1", true),
        ("/expirable_attachments/token/x/", true),
        ("/api/v2/macros/attachments/1/content.json", true),
        (
            "/api/v2/custom_objects/car/records/1/attachments/2/download",
            true,
        ),
        ("/api/v2/macros/attachments/1.json", false),
    ] {
        let answer = Answer::new(200)
            .header("content-type", "application/json")
            .header("etag", "\"a\"")
            .body(page.clone());
        super::answers(&stage, path, answer);
        let (head, body) = super::get(&stage, path, &[]).await;
        assert_eq!(body == page.as_bytes(), is_file, "{path}: {head}");
        let tag = if is_file { "\"a\"" } else { "w/\"a\"" };
        assert_eq!(super::header(&head, "etag"), Some(tag), "{path}");
    }
}

#[tokio::test]
async fn s2_bodies_up_to_the_cap_are_mapped_and_longer_ones_stream() {
    let builder = Zendesk::builder().body_cap(4 << 20);
    let stage = Stage::set(binary(), builder).await;
    let _daemon = stage.logged_in().await;
    let origin = stage.zendesk.origin().to_owned();
    let link = format!("{}/attachments/1", stage.base());
    for (length, mapped) in [((1 << 20), true), ((1 << 20) + 1, false)] {
        let mut body = ticket(&link);
        body.resize(length, b' ');
        let record = post(&stage, &body, &JSON).await;
        let seen = text(&record);
        assert_eq!(seen.contains(&link), !mapped, "{length}");
        assert_eq!(
            seen.contains(&format!("{origin}/attachments/1")),
            mapped,
            "{length}"
        );
        assert_eq!(record.status().unwrap(), 201, "{length}");
    }
}
