//! Every operation of Zendesk's own description of its API, once without loopdesk and once through
//! it: this file lists the allowed differences, and any other fails the test.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use loopdesk_tests::described::Operation;
use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Daemon, Described, Home, ports};
use loopdeskd::rewrite::STRIPPED;
use serde_json::Value;
use tokio::net::TcpStream;

use super::binary;

#[tokio::test]
async fn s1_s2_s4_every_described_operation_is_answered_as_without_loopdesk() {
    let Some(description) = Described::description() else {
        return;
    };
    let port = ports::free();
    let callback = format!("http://127.0.0.1:{}/callback", ports::free());
    let builder = Zendesk::builder().redirect_uri(&callback);
    let described = Described::start(&description, builder).await.unwrap();
    let mut home = Home::new(binary()).unwrap();
    let ca = described.ca_file().display().to_string();
    home.set("CONSENT_CA", &ca);
    // Routes that change passwords are blocked unless opened by name, one by one.
    let passwords = |operation: &&Operation| operation.path.ends_with("/password");
    let open = described.operations().iter().filter(passwords);
    let open: Vec<&str> = open.map(|operation| operation.path.as_str()).collect();
    home.configure(&format!(
        "listen = [\"127.0.0.1:{port}\"]\nvault = \"keyfile\"\nredirect-uris = [\"{callback}\"]\n\
         open-routes = {open:?}\n[accounts.acme]\nurl = \"{}\"\nclient-id = \"{}\"\n\
         extra-ca-file = \"{ca}\"\n",
        described.origin(),
        described.zendesk().client_id(),
    ));
    let _daemon = Daemon::start(&home).await.unwrap();
    home.loopdesk(["login"]).await.ok();
    described.mock();

    let base = format!("http://localhost:{port}");
    let mut tally = Tally::default();
    let operations = described.operations();
    for (at, operation) in operations.iter().enumerate() {
        if at == operations.len() / 2 {
            home.loopdesk(["refresh"]).await.ok();
        }
        let (direct, through) =
            tokio::join!(described.direct(operation), through(&base, operation));
        let (direct, through) = (direct.unwrap(), through);
        let name = format!("{} {}", operation.method, operation.path);
        assert_eq!(through.status(), direct.status(), "{name}: {through:?}");
        let urls = compare_bodies(&name, described.origin(), &base, &direct, &through);
        compare_headers(&name, direct.headers(), &through, &mut tally);
        *tally.statuses.entry(direct.status().as_u16()).or_default() += 1;
        tally.urls += urls;
        tally.bodies += usize::from(urls > 0);
    }
    println!("{} operations, {tally:#?}", operations.len());
    assert!(operations.len() > 400, "so many has the API");
    assert!(tally.urls > 0, "no URL of the examples was rewritten");
}

/// What the comparison found.
#[derive(Debug, Default)]
struct Tally {
    /// How often each status occurred, the same both ways.
    statuses: BTreeMap<u16, usize>,
    /// How many bodies differ, all of them in listed fields.
    bodies: usize,
    /// In how many fields.
    urls: usize,
    /// How many responses lack or gained a header, all of them documented.
    headers: BTreeMap<String, usize>,
}

/// How many URLs differ. Panics on any other difference.
fn compare_bodies(
    name: &str,
    origin: &str,
    base: &str,
    direct: &Response<Bytes>,
    through: &Response<Bytes>,
) -> usize {
    let (theirs, ours) = (direct.body(), through.body());
    let (Ok(their_json), Ok(our_json)) = (json(theirs), json(ours)) else {
        assert_eq!(ours, theirs, "{name}");
        return 0;
    };
    let mut walk = Walk {
        name,
        origin,
        base,
        at: Vec::new(),
        urls: 0,
    };
    walk.compare(&their_json, &our_json);
    if walk.urls == 0 {
        assert_eq!(ours, theirs, "{name}: the same values, written otherwise");
    }
    // Beside them, nothing has changed that a parser doesn't show.
    let shorter = walk.urls * (origin.len() - base.len());
    assert_eq!(ours.len() + shorter, theirs.len(), "{name}");
    walk.urls
}

fn json(body: &Bytes) -> serde_json::Result<Value> {
    serde_json::from_slice(body)
}

/// Walks through both documents in parallel.
struct Walk<'a> {
    name: &'a str,
    origin: &'a str,
    base: &'a str,
    /// The keys on the way here; an element of a list has none.
    at: Vec<String>,
    urls: usize,
}

impl Walk<'_> {
    fn compare(&mut self, theirs: &Value, ours: &Value) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                let keys = theirs.keys().eq(ours.keys());
                assert!(keys, "{}: other keys at {:?}", self.name, self.at);
                for (key, value) in theirs {
                    self.step(key, value, &ours[key]);
                }
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                assert_eq!(theirs.len(), ours.len(), "{} at {:?}", self.name, self.at);
                for (theirs, ours) in theirs.iter().zip(ours) {
                    self.step("", theirs, ours);
                }
            }
            (Value::String(theirs), Value::String(ours)) => {
                let local = self.local(theirs);
                self.urls += usize::from(local.is_some());
                let expected = local.unwrap_or_else(|| theirs.clone());
                assert_eq!(*ours, expected, "{} at {:?}", self.name, self.at);
            }
            _ => assert_eq!(ours, theirs, "{} at {:?}", self.name, self.at),
        }
    }

    fn step(&mut self, key: &str, theirs: &Value, ours: &Value) {
        self.at.push(key.to_owned());
        self.compare(theirs, ours);
        self.at.pop();
    }

    /// What a script should see in place of a text, if that differs.
    fn local(&self, text: &str) -> Option<String> {
        let at: Vec<&str> = self.at.iter().map(String::as_str).collect();
        let listed = match at[..] {
            ["next_page" | "previous_page" | "after_url" | "before_url"] | ["links", _] => {
                at.last() != Some(&"")
            }
            ["job_status", "url"] | ["job_statuses", "", "url"] => true,
            [.., "content_url" | "mapped_content_url"] => true,
            _ => false,
        };
        let path = text.strip_prefix(self.origin).filter(|_| listed)?;
        let served = ["/api/", "/attachments/"];
        let is_served = served.iter().any(|start| path.starts_with(start));
        is_served.then(|| format!("{}{path}", self.base))
    }
}

/// Panics on any undocumented difference in a header.
fn compare_headers(name: &str, theirs: &HeaderMap, through: &Response<Bytes>, tally: &mut Tally) {
    let ours = through.headers();
    let mut count = |what: String| *tally.headers.entry(what).or_default() += 1;
    let is_json = theirs
        .get("content-type")
        .is_some_and(|value| value.as_bytes().windows(4).any(|part| part == b"json"));
    for key in theirs.keys() {
        let key = key.as_str();
        let (given, found) = (values(theirs, key), values(ours, key));
        let ends = OF_THE_CONNECTION.contains(&key)
            || STRIPPED.contains(&key)
            || key.starts_with("access-control-");
        if ends {
            let of_the_connection = key == "connection" || key == "keep-alive";
            assert!(found.is_empty() || of_the_connection, "{name}: {key}");
            count(format!("- {key}"));
        } else if is_json && key == "content-length" {
            let own = through.body().len().to_string();
            assert!(
                found.is_empty() || found == [own],
                "{name}: a length of other bytes"
            );
            count("~ content-length, of JSON: its own, if any".to_owned());
        } else if is_json && key == "etag" {
            assert_eq!(found, [format!("W/{}", given[0])], "{name}");
            count("~ etag, of JSON: weak".to_owned());
        } else if key != "date" {
            assert_eq!(found, given, "{name}: {key}");
        }
    }
    for (key, value) in ADDED {
        assert_eq!(values(ours, key), [value], "{name}: {key}");
        count(format!("+ {key}"));
    }
    for key in ours.keys().map(http::HeaderName::as_str) {
        let is_added = ADDED.iter().any(|(added, _)| *added == key);
        // A body of unknown length is sent in chunks.
        let is_framing = key == "transfer-encoding" && is_json;
        assert!(
            theirs.contains_key(key) || is_added || is_framing,
            "{name}: {key} is made up"
        );
    }
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let all = headers.get_all(name).into_iter();
    all.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// The response to an operation as a script gets it, with a dummy credential.
async fn through(base: &str, operation: &Operation) -> Response<Bytes> {
    let address = base.strip_prefix("http://").unwrap();
    let mut request = Request::new(Full::new(Bytes::from(operation.body.clone())));
    *request.method_mut() = operation.method.clone();
    *request.uri_mut() = operation.path.parse().unwrap();
    *request.headers_mut() = operation.header_map();
    let headers = request.headers_mut();
    headers.insert("host", address.parse().unwrap());
    let dummy = "Basic bWVAZXhhbXBsZS5jb20vdG9rZW46eA==";
    headers.insert("authorization", dummy.parse().unwrap());
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = shaken.await.unwrap();
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

/// Hop-by-hop headers, which end with the connection.
const OF_THE_CONNECTION: [&str; 3] = ["connection", "keep-alive", "transfer-encoding"];

/// Headers that loopdesk adds itself.
const ADDED: [(&str, &str); 2] = [
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
];
