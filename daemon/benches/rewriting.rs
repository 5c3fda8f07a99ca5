//! How fast answers pass the rewriter, as one core sees it: a single record, a page, and a part of
//! an export.
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
    let context = &context();
    for (size, length) in [("1 KB", 1000), ("100 KB", 100_000), ("1 MB", 1_000_000)] {
        let mut group = criterion.benchmark_group(format!("rewrite {size}"));
        let tickets = page(length, ticket, PAGING);
        for (name, page, media_type) in [
            ("a file", &tickets, "application/octet-stream"),
            ("tickets, no hit", &page(length, ticket, ""), JSON),
            ("tickets, paging", &tickets, JSON),
            (
                "tickets, escaped slashes",
                &tickets.replace('/', r"\/"),
                JSON,
            ),
            ("users, no hit", &page(length, user, ""), JSON),
            ("users, paging", &page(length, user, PAGING), JSON),
            (
                "attachments, paging",
                &page(length, attachment, PAGING),
                JSON,
            ),
        ] {
            group.throughput(Throughput::Bytes(page.len() as u64));
            let frames = frames(page.as_bytes());
            group.bench_function(name, |b| {
                b.iter(|| pass(&frames, context, media_type, None))
            });
        }
        group.throughput(Throughput::Bytes(tickets.len() as u64));
        let packed = frames(&gzip(&tickets));
        for (name, media_type) in [
            ("tickets, paging, gzip", JSON),
            ("gunzip alone", "text/plain"),
        ] {
            group.bench_function(name, |b| {
                b.iter(|| pass(&packed, context, media_type, Some("gzip")))
            });
        }
        group.finish();
    }
}

/// Sends a body through, and gives its length on the other side.
fn pass(
    frames: &Arc<[Bytes]>,
    context: &Context,
    media_type: &'static str,
    coding: Option<&'static str>,
) -> usize {
    let body = Body::adapted(Frames(Arc::clone(frames), 0));
    let mut answer = Response::builder().header(CONTENT_TYPE, media_type);
    if let Some(coding) = coding {
        answer = answer.header(CONTENT_ENCODING, coding);
    }
    let mut body = response(answer.body(body).unwrap(), context).into_body();
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

/// A page of at least `length` bytes, made of numbered records, with `behind` after all.
fn page(length: usize, record: fn(u64) -> String, behind: &str) -> String {
    let mut page = String::from("{\"records\":[");
    for n in 0.. {
        page.push_str(&record(n));
        if page.len() >= length {
            break;
        }
        page.push(',');
    }
    page + "],\"count\":1000,\"end_of_stream\":false" + behind + "}"
}

/// A ticket of 5 kB: prose with escapes, and many short fields.
fn ticket(n: u64) -> String {
    let line = |floor| {
        format!(
            "Hello,\\nthe printer on floor {floor} says \\\"PC LOAD LETTER\\\" and then burns. We have read \
             https://acme.zendesk.com/hc/en-us/articles/{n} and nothing there helps, nor does \
             turning it off and on. What does it mean?\\n\\n"
        )
    };
    let field = |n| {
        format!(
            "{{\"id\":{},\"value\":\"value_{n}\"}}",
            360_000_000_000_u64 + n
        )
    };
    let description: String = (0..14).map(line).collect();
    let fields: Vec<String> = (0..30).map(field).collect();
    format!(
        "{{\"url\":\"https://acme.zendesk.com/api/v2/tickets/{n}.json\",\"id\":{n},\
         \"external_id\":null,\"via\":{{\"channel\":\"email\",\"source\":{{\"from\":{{\
         \"address\":\"customer{n}@example.com\",\"name\":\"Customer {n}\"}},\"to\":{{}},\
         \"rel\":null}}}},\"created_at\":\"2026-01-02T03:04:05Z\",\
         \"updated_at\":\"2026-02-03T04:05:06Z\",\"type\":\"incident\",\"subject\":\
         \"Printer {n} is on fire again\",\"description\":\"{description}\",\"priority\":\"high\",\
         \"status\":\"open\",\"custom_fields\":[{}],\"satisfaction_rating\":{{\"score\":\
         \"unoffered\"}},\"tags\":[\"printer\",\"fire\",\"floor_{n}\"],\"brand_id\":360001,\
         \"allow_attachments\":true,\"is_public\":true,\"generated_timestamp\":1770000000}}",
        fields.join(",")
    )
}

/// A user: short fields only, which is the hardest to scan.
fn user(n: u64) -> String {
    format!(
        "{{\"id\":{},\"url\":\"https://acme.zendesk.com/api/v2/users/{n}.json\",\"name\":\
         \"Customer {n}\",\"email\":\"customer{n}@example.com\",\"created_at\":\
         \"2026-01-02T03:04:05Z\",\"updated_at\":\"2026-02-03T04:05:06Z\",\"time_zone\":\"Berlin\",\
         \"iana_time_zone\":\"Europe/Berlin\",\"phone\":null,\"shared_phone_number\":null,\
         \"photo\":null,\"locale_id\":1,\"locale\":\"en-US\",\"organization_id\":{n},\"role\":\
         \"end-user\",\"verified\":true,\"external_id\":null,\"tags\":[],\"alias\":\"\",\
         \"active\":true,\"shared\":false,\"last_login_at\":null,\"two_factor_auth_enabled\":null,\
         \"signature\":null,\"details\":\"\",\"notes\":\"\",\"role_type\":null,\"custom_role_id\":\
         null,\"moderator\":false,\"ticket_restriction\":\"requested\",\"only_private_comments\":\
         false,\"suspended\":false,\"default_group_id\":null,\"user_fields\":{{\"plan\":\"gold\"}}}}",
        360_000_000_000_u64 + n
    )
}

/// An attachment: every record has an address to rewrite.
fn attachment(n: u64) -> String {
    format!(
        "{{\"id\":{},\"file_name\":\"fire-{n}.png\",\"content_url\":\
         \"https://acme.zendesk.com/attachments/token/abcdef{n}/?name=fire.png\",\"size\":2532,\
         \"content_type\":\"image/png\",\"inline\":false,\"thumbnails\":[]}}",
        498_483_u64 + n
    )
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

const JSON: &str = "application/json";

/// How bodies come off the wire.
const TLS_RECORD: usize = 16 << 10;

criterion_group!(benches, rewriting);
criterion_main!(benches);
