//! What scripts see of Zendesk's answers, and what Zendesk sees of what they write back.

mod compression;
mod corpus;
mod heads;
mod links;
mod transparency;
mod write_back;

use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::{Answer, Fault};

/// The response to one GET by curl: its head, and its body byte for byte.
async fn get(stage: &Stage, path: &str, arguments: &[&str]) -> (String, Vec<u8>) {
    let (head, body) = (
        stage.home.path().join("head"),
        stage.home.path().join("body"),
    );
    std::fs::write(&body, "").unwrap();
    let (head_name, body_name) = (head.to_str().unwrap(), body.to_str().unwrap());
    let files = ["-g", "-D", head_name, "-o", body_name];
    stage
        .curl(path, &[&files[..], arguments].concat())
        .await
        .ok();
    let head = std::fs::read_to_string(&head).unwrap().to_ascii_lowercase();
    (head, std::fs::read(&body).unwrap())
}

/// The value of a header in a head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        (known == name).then_some(value.trim())
    })
}

/// Makes Zendesk respond with `answer` at `path` until the next call.
fn answers(stage: &Stage, path: &str, answer: Answer) {
    stage.zendesk.clear_faults();
    stage.zendesk.fault(Fault::on("*", path).answer(answer));
}

/// Compresses a body.
fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
