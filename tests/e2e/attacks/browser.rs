//! W: a hostile page in a real Chromium.

use std::collections::BTreeMap;

use loopdesk_tests::chromium::{self, Visit};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, ports};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ME, Scene};

#[tokio::test]
async fn d1_w3_w4_w6_a_hostile_page_of_another_origin_reaches_nothing() {
    if !chromium::is_there() {
        return;
    }
    let scene = Scene::set().await;
    let target = format!("http://localhost:{}", scene.port());
    let page = HOSTILE.replace("TARGET", &target);
    let url = serve(page).await;
    let visit = chromium::visit(scene.stage.home.path(), &url, &["done", "submit"], None).await;
    let outcome = outcome(&visit);
    for (attempt, came_of_it) in &outcome {
        // A page learns nothing of a response that it may not read, not even the status.
        let nothing = ["failed", "opaque 0 ", "sent", "finished"];
        assert!(
            nothing.contains(&came_of_it.as_str()),
            "{attempt}: {outcome:#?}"
        );
    }
    refused(&scene, "web-page-refused", 14).await;
    explains(&visit, 403, "comes from a web page");
    scene.nothing_arrived().await;

    // Nor does an address that a person was tricked into opening.
    let address = format!("{target}{ME}");
    let visit = chromium::visit(scene.stage.home.path(), &address, &[], None).await;
    explains(&visit, 403, "comes from a web page");
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_w1_a_page_whose_name_is_rebound_reaches_nothing() {
    if !chromium::is_there() {
        return;
    }
    let scene = Scene::set().await;
    let origin = format!("http://rebound.example:{}", scene.port());
    let page = HOSTILE.replace("TARGET", &origin);
    let home = scene.stage.home.path();
    let steps = ["done", "submit"];
    let visit = chromium::rebound(home, &format!("{origin}/"), &page, &steps).await;
    let outcome = outcome(&visit);
    for (attempt, came_of_it) in &outcome {
        // A page can read everything of its own origin: our error responses.
        let nothing = came_of_it.starts_with("basic 421 ")
            || ["failed", "opaque 0 ", "sent", "finished"].contains(&came_of_it.as_str());
        assert!(nothing, "{attempt}: {outcome:#?}");
    }
    assert!(outcome["get"].starts_with("basic 421 "), "{outcome:#?}");
    refused(&scene, "unknown-host", 12).await;
    explains(&visit, 421, "is not an address of this daemon");
    scene.nothing_arrived().await;
}

/// The outcome of each attempt.
fn outcome(visit: &Visit) -> BTreeMap<String, String> {
    let [_, done, _] = &visit.pages[..] else {
        panic!("{visit:#?}");
    };
    let outcome: BTreeMap<String, String> = serde_json::from_str(&done.text).unwrap();
    assert_eq!(outcome.len(), 14, "{outcome:#?}");
    outcome
}

/// Asserts that the attempts reached the daemon: the browser blocked none of them.
async fn refused(scene: &Scene, code: &str, least: usize) {
    let count = || {
        let log = Daemon::log(&scene.stage.home);
        log.lines().filter(|line| line.contains(code)).count()
    };
    let what = format!("{least} attempts are refused as `{code}`");
    eventually(&what, async || count() >= least).await;
}

/// Asserts that the person is left with a sentence that explains what happened.
#[track_caller]
fn explains(visit: &Visit, status: u16, sentence: &str) {
    let page = visit.last();
    assert_eq!(page.status, status, "{page:#?}");
    assert!(page.text.contains(sentence), "{page:#?}");
}

/// Serves a page to any client, at a loopback port of its own; returns the address.
async fn serve(page: String) -> String {
    let port = ports::free();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let page = page.clone();
            tokio::spawn(async move {
                let _head = client.read(&mut [0; 16 << 10]).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{page}",
                    page.len()
                );
                drop(client.write_all(answer.as_bytes()).await);
            });
        }
    });
    format!("http://127.0.0.1:{port}/")
}

const HOSTILE: &str = r#"<!doctype html>
<title>hostile</title>
<body>
<form method="post" action="TARGET/api/v2/tickets.json"><input type="hidden" name="a" value="b"></form>
<script>
const target = 'TARGET', me = target + '/api/v2/users/me.json', tickets = target + '/api/v2/tickets.json';
const read = async answer => `${answer.type} ${answer.status} ${await answer.text()}`;
const json = { 'content-type': 'application/json' };
const loaded = (element, where) => new Promise((done, failed) => {
  element.onload = () => done('loaded');
  element.onerror = failed;
  element.src = where;
  document.body.append(element);
});
const attempts = {
  get: () => fetch(me).then(read),
  'get with cookies': () => fetch(me, { credentials: 'include' }).then(read),
  'get without cors': () => fetch(me, { mode: 'no-cors' }).then(read),
  'get without a referrer': () => fetch(me, { mode: 'no-cors', referrerPolicy: 'no-referrer' }).then(read),
  'post of text': () => fetch(tickets, { method: 'POST', body: '{}' }).then(read),
  'post without cors': () => fetch(tickets, { method: 'POST', mode: 'no-cors', body: '{}' }).then(read),
  'post of json': () => fetch(tickets, { method: 'POST', headers: json, body: '{}' }).then(read),
  put: () => fetch(tickets, { method: 'PUT', headers: json, body: '{}' }).then(read),
  'get with a header': () => fetch(me, { headers: { authorization: 'Basic eDp4' } }).then(read),
  beacon: async () => navigator.sendBeacon(tickets, 'a=b') ? 'sent' : 'failed',
  image: () => loaded(new Image(), me),
  script: () => loaded(document.createElement('script'), me),
  form: () => new Promise(done => {
    const frame = document.createElement('iframe');
    frame.name = 'frame';
    document.body.append(frame);
    const form = document.forms[0].cloneNode(true);
    form.target = 'frame';
    document.body.append(form);
    frame.onload = () => done('finished');
    form.submit();
  }),
  socket: () => new Promise((done, failed) => {
    const socket = new WebSocket(target.replace('http', 'ws') + '/api/v2/tickets.json');
    socket.onopen = () => done('open');
    socket.onerror = failed;
  }),
};
(async () => {
  const outcome = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    outcome[name] = await attempt().catch(() => 'failed');
  }
  const pre = document.createElement('pre');
  pre.textContent = JSON.stringify(outcome);
  document.body.append(pre);
  document.title = 'done';
})();
</script>
"#;
