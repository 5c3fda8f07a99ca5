//! Whatever the wire allows, sent straight to a server that accepts anything, and through the
//! daemon: either that server understands the same, or the script gets the reason why not.

use std::time::{Duration, Instant};

use loopdesk_tests::tolerant::{self, Understood};
use loopdesk_tests::zendesk::{Protocols, Zendesk};
use loopdesk_tests::{Raw, Stage};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{binary, is_long};

#[tokio::test]
async fn s1_s8_zendesk_understands_what_it_would_without_the_daemon() {
    let builder = Zendesk::builder().protocols(Protocols::Http1);
    let stage = Stage::set(binary(), builder).await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.reset_connections();
    stage.zendesk.connections_closed().await;
    let straight = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port_of_straight = straight.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = straight.accept().await {
            tokio::spawn(tolerant::echo(stream));
        }
    });
    for _ in 0..CONNECTIONS {
        let taken = stage.zendesk.take_connection();
        tokio::spawn(async { tolerant::echo(taken.await).await });
    }
    let seed = std::env::var("LOOPDESK_SEED").ok();
    let seed = seed.map_or_else(fresh_seed, |seed| seed.parse().unwrap());
    println!("LOOPDESK_SEED={seed}");
    let mut dice = Dice(seed);
    let time = Duration::from_secs(if is_long() { 600 } else { 12 });
    let (begin, mut tally) = (Instant::now(), Tally::default());
    let mut script = Raw::connect(stage.port).await;
    while begin.elapsed() < time {
        let case = Case::new(&mut dice, stage.port);
        let shown = case.bytes.escape_ascii().to_string();
        let shown = shown.get(..shown.len().min(4000)).unwrap_or_default();
        let mut other = Raw::connect(port_of_straight).await;
        other.send(&case.bytes).await;
        other.shut_down().await;
        let direct = other.all().await;
        let direct = direct
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .map(|end| {
                let text = &direct[end + 4..];
                serde_json::from_slice::<Understood>(text).expect("it is understood")
            });
        for piece in case.pieces(&mut dice) {
            // It may be refused before its last byte.
            drop(script.try_send(piece).await);
            tokio::task::yield_now().await;
        }
        let answer = script.answer().await;
        if answer.head.get("x-loopdesk-error").is_some() {
            assert!(!case.must_pass, "{answer:?} to {shown}");
            let json: Value = serde_json::from_slice(&answer.body).expect("Zendesk's shape");
            let is_ours = json["error"].is_string() && json["description"].is_string();
            assert!(is_ours, "{answer:?} to {shown}");
            tally.refused += 1;
        } else {
            assert_eq!(answer.status(), 200, "{answer:?} to {shown}");
            let through: Understood = serde_json::from_slice(&answer.body).expect("it is an echo");
            let direct = direct.expect("who understands it one way understands it the other");
            assert_eq!(through.method, direct.method, "{shown}");
            let (left, right) = (decoded(&through.target), decoded(&direct.target));
            assert_eq!(
                left.escape_ascii().to_string(),
                right.escape_ascii().to_string(),
                "{shown}"
            );
            assert_eq!(compared(&through), compared(&direct), "{shown}");
            assert!(through.body == direct.body, "another body of {shown}");
            assert!(through.target.iter().all(u8::is_ascii_graphic), "{shown}");
            tally.served += 1;
        }
        // In half of the cases the next request comes on the same connection. Not after a line feed
        // in an odd place, which may have ended a head early: what follows is then another request.
        let is_over = answer.head.has("connection", "close") || case.version == "1.0";
        if is_over || !case.must_pass || dice.one_in(2) {
            script = Raw::connect(stage.port).await;
        }
    }
    println!("{tally:?}");
    let Tally { served, refused } = tally;
    assert!(
        served > 100 && refused > 50,
        "served {served}, refused {refused}"
    );
    assert!(served > refused, "served {served}, refused {refused}");
}

/// More connections to Zendesk than the daemon opens for scripts that run one after the other.
const CONNECTIONS: usize = 1000;

#[derive(Debug, Default)]
struct Tally {
    served: u64,
    refused: u64,
}

/// One request.
struct Case {
    bytes: Vec<u8>,
    version: &'static str,
    /// Whether it contains nothing that may be refused.
    must_pass: bool,
}

impl Case {
    fn new(dice: &mut Dice, port: u16) -> Self {
        let (mut target, mut must_pass) = (b"/api/v2/search.json?query=".to_vec(), true);
        if dice.one_in(2) {
            let kind = dice.below(3);
            for _ in 0..dice.below(60) {
                let byte = match kind {
                    // Any byte, only bytes with a defined reading, or only bytes that scripts send.
                    0 => dice.byte(),
                    1 => dice.readable(),
                    _ => dice.of(b"abc >\"<{}|\\^`%[]&=+:/?@ \xc3\xbc"),
                };
                target.push(byte);
            }
            let is_unreadable = |byte: &u8| byte.is_ascii_control() || *byte == b'#';
            must_pass = !target.iter().any(is_unreadable);
        }
        let version = if dice.one_in(10) { "1.0" } else { "1.1" };
        let mut end = "\r\n";
        if dice.one_in(10) {
            end = "\n";
        }
        let mut bytes = Vec::new();
        if dice.one_in(10) {
            bytes.extend_from_slice(end.as_bytes());
        }
        let has_body = dice.one_in(3);
        let method = match has_body {
            true => dice.one(&["POST", "PUT", "PATCH", "DELETE", "GET"]),
            false => dice.one(&["GET", "GET", "OPTIONS", "DELETE", "PURGE", "x-Any!"]),
        };
        bytes.extend_from_slice(method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&target);
        bytes.extend_from_slice(format!(" HTTP/{version}{end}").as_bytes());
        bytes.extend_from_slice(format!("Host: localhost:{port}{end}").as_bytes());
        let count = if dice.one_in(20) { 300 } else { 12 };
        let count = dice.below(count);
        for number in 0..count {
            must_pass &= Self::header(dice, number, end, &mut bytes);
        }
        // The first line, `Host`, these, and at most three more.
        must_pass &= count < 250;
        if has_body {
            must_pass &= Self::body(dice, version, end, &mut bytes);
        } else {
            bytes.extend_from_slice(end.as_bytes());
        }
        Self {
            bytes,
            version,
            must_pass,
        }
    }

    /// One header line, and whether it must be accepted.
    fn header(dice: &mut Dice, number: usize, end: &str, bytes: &mut Vec<u8>) -> bool {
        let mut line = format!("X-{number}-").into_bytes();
        if dice.one_in(8) {
            line = b"x-Twice".to_vec();
        }
        for _ in 0..dice.below(8) {
            line.push(dice.of(b"abcXYZ019!#$%&'*+.^`|~-"));
        }
        let odd = if dice.one_in(40) {
            dice.below(6)
        } else {
            usize::MAX
        };
        match odd {
            0 => line.insert(0, b' '),
            1 => line.push(b' '),
            2 => line.push(dice.byte()),
            _ => {}
        }
        if odd != 3 {
            line.push(b':');
        }
        for _ in 0..dice.below(3) {
            line.push(dice.of(b" \t"));
        }
        for _ in 0..dice.below(40) {
            line.push(match dice.below(4) {
                0 => dice.of(b" \t:;,\"=\xe4\xff"),
                _ => dice.readable(),
            });
        }
        match odd {
            4 => line.push(dice.byte()),
            5 => line.extend_from_slice(format!("{end} folded").as_bytes()),
            _ => {}
        }
        bytes.extend_from_slice(&line);
        bytes.extend_from_slice(end.as_bytes());
        odd > 5
    }

    /// The body's framing, the end of the head, and the body; and whether all that must be
    /// accepted.
    fn body(dice: &mut Dice, version: &str, end: &str, bytes: &mut Vec<u8>) -> bool {
        let size = if dice.one_in(10) { 100_000 } else { 300 };
        let body: Vec<u8> = (0..dice.below(size)).map(|_| dice.byte()).collect();
        let kind = dice.one(&[
            "application/json",
            "application/x-www-form-urlencoded",
            "text/csv",
            "image/png",
        ]);
        bytes.extend_from_slice(format!("Content-Type: {kind}{end}").as_bytes());
        if dice.one_in(2) {
            bytes.extend_from_slice(format!("content-length: {}{end}{end}", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
            return true;
        }
        bytes.extend_from_slice(format!("Transfer-Encoding: chunked{end}{end}").as_bytes());
        let mut rest = &body[..];
        while !rest.is_empty() {
            let size = (1 + dice.below(rest.len())).min(rest.len());
            let extension = dice.one(&["", "", ";a=b", " ; c=\"d\""]);
            bytes.extend_from_slice(format!("{size:x}{extension}\r\n").as_bytes());
            bytes.extend_from_slice(&rest[..size]);
            bytes.extend_from_slice(b"\r\n");
            rest = &rest[size..];
        }
        let trailer = dice.one(&["", "", "X-Trailer: 1\r\n"]);
        bytes.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
        version == "1.1"
    }

    /// The bytes, in up to four pieces.
    fn pieces(&self, dice: &mut Dice) -> Vec<&[u8]> {
        let mut cuts: Vec<_> = (0..dice.below(4))
            .map(|_| dice.below(self.bytes.len()))
            .collect();
        cuts.extend([0, self.bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|cut| &self.bytes[cut[0]..cut[1]])
            .collect()
    }
}

/// Headers except those that end at the daemon or that it sets itself.
fn compared(understood: &Understood) -> Vec<(String, String)> {
    let headers = understood.headers.iter().map(|(name, value)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        (name.to_string(), value.to_string())
    });
    let stays =
        |(name, _): &(String, String)| !OF_THE_DAEMON.contains(&name.to_ascii_lowercase().as_str());
    let mut headers: Vec<_> = headers.filter(stays).collect();
    headers.sort();
    headers
}

const OF_THE_DAEMON: [&str; 5] = [
    "host",
    "authorization",
    "accept-encoding",
    "content-length",
    "transfer-encoding",
];

/// `%XX` decoded once.
pub(super) fn decoded(target: &[u8]) -> Vec<u8> {
    let digit = |at: usize| target.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < target.len() {
        match (target[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

pub(super) fn fresh_seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// SplitMix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// No control character, and no `#`.
    pub(super) fn readable(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if !byte.is_ascii_control() && byte != b'#' {
                return byte;
            }
        }
    }

    pub(super) fn of(&mut self, bytes: &[u8]) -> u8 {
        bytes[self.below(bytes.len())]
    }

    pub(super) fn one<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}
