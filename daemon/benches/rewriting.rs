//! How fast answers pass the rewriter: a 5 MB page of an export, as one core sees it.
//!
//! `cargo bench -p loopdeskd --bench rewriting`; throughput counts bytes of the plain page.

#![expect(clippy::unwrap_used, reason = "a page that can't be made ends the run")]

use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use loopdeskd::body::{Body, BodyError};
use loopdeskd::config::check;
use loopdeskd::rewrite::{Arrival, Context, Origins, ScriptClient, response};
use loopdeskd::route_table::CarriedFiles;

fn rewriting(criterion: &mut Criterion) {
    let plain = page("", "");
    let paging = page("", PAGING);
    let attachments = page(ATTACHMENT, PAGING);
    let escaped = paging.replace('/', r"\/");
    let mut group = criterion.benchmark_group("rewrite 5 MB");
    for (name, page) in [
        ("no hit", &plain),
        ("typical paging", &paging),
        ("an attachment in every ticket", &attachments),
        ("escaped slashes", &escaped),
    ] {
        group.throughput(Throughput::Bytes(page.len() as u64));
        let frames = frames(page.as_bytes());
        group.bench_function(name, |b| b.iter(|| pass(&frames, "application/json", None)));
    }
    group.throughput(Throughput::Bytes(paging.len() as u64));
    let packed = frames(&gzip(&paging));
    group.bench_function("typical paging, gzip", |b| {
        b.iter(|| pass(&packed, "application/json", Some("gzip")))
    });
    group.bench_function("gunzip alone", |b| {
        b.iter(|| pass(&packed, "text/plain", Some("gzip")))
    });
    group.finish();
}

/// Sends a body through, and gives its length on the other side.
fn pass(frames: &Arc<[Bytes]>, media_type: &'static str, coding: Option<&'static str>) -> usize {
    let body = Body::adapted(Frames(Arc::clone(frames), 0));
    let mut answer = Response::builder().header(CONTENT_TYPE, media_type);
    if let Some(coding) = coding {
        answer = answer.header(CONTENT_ENCODING, coding);
    }
    let mut body = response(answer.body(body).unwrap(), &context()).into_body();
    let mut task = Task::from_waker(Waker::noop());
    let mut length = 0;
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut task) {
        length += frame.unwrap().data_ref().unwrap().len();
    }
    length
}

/// A script's request that doesn't ask for gzip, to an account as the defaults make it.
fn context() -> Context {
    let config = "[accounts.acme]\nsubdomain = \"acme\"\nclient-id = \"loopdesk\"";
    let config = check::parse(config).unwrap();
    let account = config.accounts.values().next().unwrap();
    let head = Request::new(()).into_parts().0;
    let client = ScriptClient {
        base: "http://localhost:8484".into(),
        at: Arrival::Shared,
        names_account: false,
        has_key: false,
    };
    Context::of(
        &head,
        Origins::new(&config).view(client, account),
        CarriedFiles::default(),
    )
}

/// A page of 1,000 tickets with their texts, `in_ticket` in each and `behind` after all.
fn page(in_ticket: &str, behind: &str) -> String {
    let mut page = String::from("{\"tickets\":[");
    for n in 0..1000 {
        let comma = if n == 0 { "" } else { "," };
        page.push_str(&format!(
            "{comma}{{\"url\":\"https://acme.zendesk.com/api/v2/tickets/{n}.json\",\"id\":{n},\
             \"external_id\":null,\"via\":{{\"channel\":\"email\",\"source\":{{\"from\":{{\
             \"address\":\"customer{n}@example.com\",\"name\":\"Customer {n}\"}},\"to\":{{}},\
             \"rel\":null}}}},\"created_at\":\"2026-01-02T03:04:05Z\",\
             \"updated_at\":\"2026-02-03T04:05:06Z\",\"type\":\"incident\",\"subject\":\
             \"Printer {n} is on fire again\",\"description\":\"",
        ));
        for line in 0..PARAGRAPHS {
            page.push_str(&format!(
                "Hello,\\nthe printer on floor {line} says \\\"PC LOAD LETTER\\\" and then burns. \
                 We have read https://acme.zendesk.com/hc/en-us/articles/{n} and nothing there \
                 helps, nor does turning it off and on. What does it mean?\\n\\n",
            ));
        }
        page.push_str("\",\"priority\":\"high\",\"status\":\"open\",\"custom_fields\":[");
        for field in 0..FIELDS {
            let comma = if field == 0 { "" } else { "," };
            page.push_str(&format!(
                "{comma}{{\"id\":{},\"value\":\"value_{field}\"}}",
                360_000_000_000_u64 + field
            ));
        }
        page.push_str(&format!(
            "],\"satisfaction_rating\":{{\"score\":\"unoffered\"}},\"tags\":[\"printer\",\"fire\",\
             \"floor_{n}\"]{in_ticket},\"brand_id\":360001,\"allow_attachments\":true,\
             \"is_public\":true,\"generated_timestamp\":1770000000}}",
        ));
    }
    page + "],\"count\":1000,\"end_of_stream\":false" + behind + "}"
}

fn frames(page: &[u8]) -> Arc<[Bytes]> {
    page.chunks(TLS_RECORD)
        .map(Bytes::copy_from_slice)
        .collect()
}

fn gzip(page: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Frames, and how many of them have been taken.
struct Frames(Arc<[Bytes]>, usize);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = self.0.get(self.1).cloned();
        self.1 += 1;
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

const PAGING: &str = ",\"after_url\":\"https://acme.zendesk.com/api/v2/incremental/tickets/\
     cursor.json?cursor=MTU3NjYxMzUzOS4wfHw0Njd8\",\"before_url\":null,\"next_page\":\
     \"https://acme.zendesk.com/api/v2/incremental/tickets.json?start_time=1770000000\",\
     \"links\":{\"next\":\"https://acme.zendesk.com/api/v2/tickets.json?page%5Bafter%5D=x\"}";

const ATTACHMENT: &str = ",\"attachments\":[{\"content_url\":\
     \"https://acme.zendesk.com/attachments/token/abcdef/?name=fire.png\",\"size\":2532}]";

/// With the fields these make a ticket of 5 kB.
const PARAGRAPHS: usize = 14;
const FIELDS: u64 = 30;

/// How bodies come off the wire.
const TLS_RECORD: usize = 16 << 10;

criterion_group!(benches, rewriting);
criterion_main!(benches);
