//! Bodies on the wire: requested compressed, decoded if necessary, complete or visibly not.

use loopdesk_tests::Daemon;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault};

use super::{answers, get, gzip, header};
use crate::stage;

const PATH: &str = "/api/v2/tickets.json";

#[tokio::test]
async fn s3_zendesk_is_asked_for_gzip_whatever_the_script_reads() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    for (arguments, asked) in [
        (&[][..], Some("gzip")),
        (&["-H", "Accept-Encoding: br, zstd"], Some("gzip")),
        (&["-H", "Accept-Encoding: identity"], Some("gzip")),
        (&["--compressed"], Some("gzip")),
        (&["-r", "0-9"], None),
        (
            &["-r", "0-9", "-H", "Accept-Encoding: br"],
            Some("identity"),
        ),
        (&["-H", "X-Loopdesk-Rewrite: off"], None),
        (&["-I"], Some("gzip")),
    ] {
        stage.zendesk.clear();
        let (head, body) = get(&stage, PATH, arguments).await;
        let seen = stage.zendesk.requests();
        let seen = seen.last().unwrap().header("accept-encoding");
        assert_eq!(seen, asked, "{arguments:?}");
        assert_eq!(header(&head, "content-encoding"), None, "{arguments:?}");
        if !arguments.contains(&"-I") {
            assert!(body.starts_with(b"{\""), "{arguments:?}");
        }
    }
}

#[tokio::test]
async fn s3_what_is_not_eligible_passes_packed_to_scripts_that_read_it() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let plain = format!(
        "id,url\n1,{}/api/v2/tickets/1.json\n",
        stage.zendesk.origin()
    );
    let packed = gzip(plain.as_bytes());
    let answer = Answer::text(200, packed.clone())
        .header("content-encoding", "gzip")
        .header("etag", "\"strong\"");
    answers(&stage, "/api/v2/report", answer);
    let (head, body) = get(&stage, "/api/v2/report", &["-H", "Accept-Encoding: gzip"]).await;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    assert_eq!(header(&head, "etag"), Some("\"strong\""));
    assert_eq!(body, packed);

    let (head, body) = get(&stage, "/api/v2/report", &[]).await;
    assert_eq!(header(&head, "content-encoding"), None);
    assert_eq!(header(&head, "etag"), Some("w/\"strong\""));
    assert_eq!(header(&head, "vary"), Some("accept-encoding"));
    assert_eq!(body, plain.as_bytes());
}

#[tokio::test]
async fn s3_a_body_that_cannot_be_decoded_ends_visibly_and_in_the_log() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let page = format!("{{\"tickets\":[{}]}}", "{\"id\":1},".repeat(20_000));
    let packed = gzip(page.as_bytes());
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 0x55;
    let cut = packed[..packed.len() - 20].to_vec();
    for (body, why) in [
        (flipped, "fails its checksum"),
        (cut, "ends early"),
        (b"{\"tickets\":[]}".to_vec(), "not gzip"),
    ] {
        for media_type in ["application/json", "text/csv"] {
            let answer = Answer::new(200)
                .header("content-type", media_type)
                .header("content-encoding", "gzip")
                .body(body.clone());
            answers(&stage, "/api/v2/report", answer);
            let known = Daemon::log(&stage.home).matches(why).count();
            // curl's code for a body that is shorter than it should be. A short body may turn out
            // to be corrupt before its head has been sent: then there is an error instead.
            let code = ["-o", "/dev/null", "-w", "%header{x-loopdesk-error}"];
            let output = stage.curl("/api/v2/report", &code).await;
            let is_told = output.code == Some(0) && output.stdout == "broken-answer";
            assert!(output.code == Some(18) || is_told, "{output:?}");
            let is_logged = async || Daemon::log(&stage.home).matches(why).count() == known + 1;
            eventually(why, is_logged).await;
        }
    }
    stage.zendesk.clear_faults();
    assert_eq!(
        stage.get(PATH).await.0,
        200,
        "only that connection has ended"
    );
}

/// The daemon's peak resident memory so far, in MiB.
#[cfg(target_os = "linux")]
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn s3_a_bomb_leaves_memory_flat() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The size of one member, and how many there are, in total.
    const MEMBER: usize = 16 << 20;
    const MEMBERS: u64 = 16;

    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let mut plain = b"[\"".to_vec();
    plain.resize(MEMBER, b'a');
    let first = gzip(&plain);
    let more = gzip(&vec![b'a'; MEMBER]);
    let answer = Answer::new(200)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(first);
    let bomb = Fault::on("GET", "/api/v2/bomb").answer(answer);
    stage.zendesk.fault(bomb.repeat_body(more, MEMBERS - 1));
    assert_eq!(stage.get(PATH).await.0, 200);
    let before = peak(&daemon);

    // One script reads the beginning and then nothing; another one reads everything in the
    // meantime.
    let address = ("127.0.0.1", stage.port);
    let mut lazy = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/v2/bomb HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
        stage.port
    );
    lazy.write_all(request.as_bytes()).await.unwrap();
    lazy.read_exact(&mut [0; 1 << 10]).await.unwrap();
    let output = ["-o", "/dev/null", "-w", "%{size_download}"];
    let size = stage.curl("/api/v2/bomb", &output).await.ok().stdout;
    assert_eq!(size, (MEMBER as u64 * MEMBERS).to_string());
    let after = peak(&daemon);
    assert!(after < before + 24, "from {before} to {after} MiB");
}
