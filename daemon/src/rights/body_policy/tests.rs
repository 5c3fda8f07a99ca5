//! Bodies: which ones are refused, which ones pass, and how much of them is sent.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt;
use loopdesk_protocol::key;

use super::super::{PolicyDenied, Rights};
use crate::body::frames::{FrameBody, data};
use crate::body::{Body, Budget, BudgetShare, REQUEST_MAX};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data; boundary=b";

fn limited() -> Rights {
    let scopes = vec!["tickets:write".to_owned(), "read".to_owned()];
    Rights::parse(&key::RightsText {
        scopes,
        ..key::RightsText::default()
    })
    .unwrap()
}

fn memory() -> BudgetShare {
    BudgetShare::of(Budget::of(true))
}

fn head(method: &str, target: &str, content_type: &str) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    request.body(()).unwrap().into_parts().0
}

/// The outcome for a body: everything that is sent of it, and its error.
async fn sent(body: Body) -> (Vec<u8>, Option<String>) {
    let (mut body, mut all) = (body, Vec::new());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => return (all, Some(error.to_string())),
        }
    }
    (all, None)
}

async fn whole(head: &Parts, text: &str) -> Result<Vec<u8>, PolicyDenied> {
    whole_with(&limited(), head, text).await
}

async fn whole_with(rights: &Rights, head: &Parts, text: &str) -> Result<Vec<u8>, PolicyDenied> {
    let body = rights
        .guard(head, Body::full(text.to_owned()), &mut memory())
        .await?;
    assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
    let (sent, error) = sent(body).await;
    assert_eq!(error, None);
    Ok(sent)
}

const NAMED: [(&str, &str); 5] = [
    (FORM, "ticket[subject]=x&_method=DELETE"),
    ("", "_method=DELETE"),
    (JSON, r#"{"ticket":{},"_meth\u006fd":"DELETE"}"#),
    ("", r#"{"_method":"DELETE"}"#),
    (
        MULTIPART,
        "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n",
    ),
];

const PASSING: [(&str, &str); 6] = [
    (FORM, "ticket[subject]=_method&payment_method=x"),
    ("", "x"),
    (
        JSON,
        r#"{"ticket":{"comment":{"body":"{\"_method\":\"DELETE\"} &_method=DELETE"}}}"#,
    ),
    (
        "application/vnd.api+json",
        r#"{"data":{"_method":"DELETE"}}"#,
    ),
    (
        MULTIPART,
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a_method.txt\"\r\n\r\n_method=DELETE\r\n--b--\r\n",
    ),
    ("text/plain", "_method=DELETE"),
];

#[tokio::test]
async fn d3_p9_a_body_that_names_another_method_is_refused_before_anything_is_sent() {
    for (content_type, text) in NAMED {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
            let head = head(method, "/api/v2/tickets", content_type);
            let denial = whole(&head, text).await.unwrap_err();
            assert!(denial.line.ends_with("names another method"), "{denial:?}");
            assert!(denial.why.contains("`_method`"), "{denial:?}");
        }
    }
}

#[tokio::test]
async fn d3_p9_a_body_that_only_mentions_it_arrives_as_it_is() {
    for (content_type, text) in PASSING {
        let head = head("POST", "/api/v2/tickets", content_type);
        assert_eq!(whole(&head, text).await.unwrap(), text.as_bytes(), "{text}");
    }
}

#[tokio::test]
async fn d2_side_loads_are_judged_in_a_body_as_in_a_query() {
    let rights = |scopes: &[&str], allow: &[&str], deny: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Rights::parse(&key::RightsText {
            scopes: owned(scopes),
            allow: owned(allow),
            deny: owned(deny),
        })
        .unwrap()
    };
    let bodies = |name: &str| {
        [
            (JSON, format!(r#"{{"view":{{}},"include":"{name}"}}"#)),
            (FORM, format!("a=b&include={name}")),
            ("", format!(r#"{{"include":["{name}"]}}"#)),
        ]
    };
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"include\"\r\n\r\nusers\r\n--b--\r\n";
    let preview = |content_type| head("POST", "/api/v2/views/preview", content_type);
    let tickets = rights(&["tickets:read"], &[], &[]);
    let denied = rights(&["read"], &[], &["GET /api/v2/users/**"]);
    for (content_type, text) in bodies("users") {
        let denial = whole_with(&tickets, &preview(content_type), &text)
            .await
            .unwrap_err();
        assert_eq!(denial.needs, ["users:read", "read"], "{text}");
        assert!(denial.line.contains("side load `users`"), "{denial:?}");
        let denial = whole_with(&denied, &preview(content_type), &text)
            .await
            .unwrap_err();
        assert_eq!(denial.needs, Vec::<String>::new(), "{text}");
        for free in [
            rights(&["read"], &[], &[]),
            rights(&["tickets:read", "users:read"], &[], &[]),
            rights(&[], &["POST /api/v2/views/preview"], &[]),
            rights(&["tickets:read"], &["POST /api/v2/**"], &[]),
        ] {
            let passed = whole_with(&free, &preview(content_type), &text).await;
            assert_eq!(passed.unwrap(), text.as_bytes());
        }
        // Streamed, it breaks off before its end.
        let body = Body::adapted(FrameBody::cut(text.as_bytes(), 3));
        let body = tickets
            .guard(&preview(content_type), body, &mut memory())
            .await
            .unwrap();
        let (sent, error) = sent(body).await;
        assert!(error.unwrap().contains("`users`"), "{text}");
        assert!(sent.len() < text.len());
    }
    for (content_type, text) in bodies("comment_count") {
        let passed = whole_with(&tickets, &preview(content_type), &text).await;
        assert_eq!(passed.unwrap(), text.as_bytes());
        assert!(
            whole_with(&denied, &preview(content_type), &text)
                .await
                .is_err()
        );
    }
    assert!(
        whole_with(&tickets, &preview(MULTIPART), multipart)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn d3_p9_a_body_of_unknown_length_breaks_off_before_its_last_byte() {
    for (content_type, text) in NAMED {
        for size in [1, 7, 1000] {
            let head = head("POST", "/api/v2/tickets", content_type);
            let body = Body::adapted(FrameBody::cut(text.as_bytes(), size));
            let body = limited().guard(&head, body, &mut memory()).await.unwrap();
            let (sent, error) = sent(body).await;
            assert!(error.unwrap().contains("`_method`"), "{text}");
            assert!(
                sent.len() < text.len() && text.as_bytes().starts_with(&sent),
                "{text}"
            );
        }
    }
    for (content_type, text) in PASSING {
        for size in [1, 7, 1000] {
            let head = head("POST", "/api/v2/tickets", content_type);
            let body = Body::adapted(FrameBody::cut(text.as_bytes(), size));
            let body = limited().guard(&head, body, &mut memory()).await.unwrap();
            assert_eq!(sent(body).await, (text.as_bytes().to_vec(), None), "{text}");
        }
    }
}

#[tokio::test]
async fn d3_p9_a_long_body_keeps_its_length_and_breaks_off_before_its_last_byte() {
    let head = head("POST", "/api/v2/tickets", JSON);
    let filler = "x".repeat(REQUEST_MAX);
    let text = format!("{{\"a\":\"{filler}\",\"_method\":1}}");
    let body = limited()
        .guard(&head, Body::full(text.clone()), &mut memory())
        .await
        .unwrap();
    assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
    let (passed, error) = sent(body).await;
    assert!(error.is_some() && passed.len() < text.len());

    // Only detected at the end.
    let text = format!("a={filler}&_method");
    let form = self::head("POST", "/api/v2/tickets", FORM);
    let body = limited()
        .guard(
            &form,
            Body::adapted(FrameBody::cut(text.as_bytes(), 1000)),
            &mut memory(),
        )
        .await;
    let (passed, error) = sent(body.unwrap()).await;
    assert!(error.is_some());
    assert_eq!(passed.len(), text.len() - 1);

    let text = format!("{{\"a\":\"{filler}\"}}");
    let body = limited()
        .guard(&head, Body::full(text.clone()), &mut memory())
        .await
        .unwrap();
    assert!(!body.is_end_stream());
    assert_eq!(sent(body).await, (text.into_bytes(), None));
}

#[tokio::test]
async fn d3_the_error_of_a_body_that_breaks_off_is_the_denial() {
    let head = head("POST", "/api/v2/tickets", FORM);
    let body = Body::adapted(FrameBody::cut(b"_method=PUT", 3));
    let mut body = limited().guard(&head, body, &mut memory()).await.unwrap();
    let error = loop {
        if let Err(error) = body.frame().await.unwrap() {
            break error;
        }
    };
    let denial = error.downcast::<PolicyDenied>().unwrap();
    assert_eq!(denial.line, "the form names another method");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn s3_a_body_that_streams_is_passed_on_as_it_comes() {
    let head = head("POST", "/api/v2/tickets", JSON);
    let (sender, frames) = FrameBody::channel();
    let mut body = limited()
        .guard(&head, Body::adapted(frames), &mut memory())
        .await
        .unwrap();
    sender.send(data("{\"a\":")).unwrap();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "{\"a\"");
    sender.send(data("1}")).unwrap();
    drop(sender);
    assert_eq!(sent(body).await, (b":1}".to_vec(), None));
}

#[tokio::test]
async fn s1_an_upload_is_a_file_whatever_its_type_says() {
    for target in ["/api/v2/uploads?filename=a.json", "/api/v2/uploads.json"] {
        let head = head("POST", target, JSON);
        for text in [r#"{"_method":"DELETE"}"#, "\u{0}\u{1} _method \""] {
            assert_eq!(whole(&head, text).await.unwrap(), text.as_bytes());
        }
    }
    for (method, target, content_type) in [
        ("PUT", "/api/v2/uploads", JSON),
        ("POST", "/api/v2/uploads/x", JSON),
        ("POST", "/api/v2//uploads", JSON),
    ] {
        let head = head(method, target, content_type);
        assert!(
            whole(&head, r#"{"_method":"DELETE"}"#).await.is_err(),
            "{method} {target}"
        );
    }
    let form = head("POST", "/api/v2/uploads", FORM);
    assert!(whole(&form, "_method=DELETE").await.is_err());
}

#[tokio::test]
async fn d3_a_read_has_no_body() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let head = head(method, "/api/v2/tickets", "text/plain");
        let given = Body::adapted(FrameBody::of([data(""), data("x")]));
        let denial = limited()
            .guard(&head, given, &mut memory())
            .await
            .unwrap_err();
        assert_eq!(denial.line, "a read has a body");
        let given = Body::adapted(FrameBody::of([data("")]));
        let body = limited().guard(&head, given, &mut memory()).await.unwrap();
        assert!(body.is_end_stream());
        assert!(
            limited()
                .guard(&head, Body::empty(), &mut memory())
                .await
                .unwrap()
                .is_end_stream()
        );
        let broken = Body::adapted(FrameBody::of([Err("reset".into())]));
        let body = limited().guard(&head, broken, &mut memory()).await.unwrap();
        assert_eq!(sent(body).await, (Vec::new(), Some("reset".to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn s4_a_body_that_breaks_off_breaks_off_for_whoever_reads_it_next() {
    let head = head("POST", "/api/v2/tickets", JSON);
    let of_known_length = |frames: FrameBody| Body::adapted(Known(frames));
    let broken = FrameBody::of([data("{\"a\""), data(":1"), Err("reset".into())]);
    let body = limited()
        .guard(&head, of_known_length(broken), &mut memory())
        .await
        .unwrap();
    assert_eq!(
        sent(body).await,
        (b"{\"a\":1".to_vec(), Some("reset".to_owned()))
    );

    let (sender, frames) = FrameBody::channel();
    sender.send(data("{")).unwrap();
    let begun = tokio::time::Instant::now();
    let body = limited()
        .guard(&head, of_known_length(frames), &mut memory())
        .await
        .unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(180));
    let (sent, error) = sent(body).await;
    assert_eq!(
        (sent.as_slice(), error.as_deref()),
        (&b"{"[..], Some("the rest of it didn't arrive in time"))
    );
}

#[tokio::test]
async fn d3_a_key_that_may_do_everything_is_not_looked_at() {
    let scopes = vec!["read".to_owned(), "write".to_owned()];
    let full = Rights::parse(&key::RightsText {
        scopes,
        ..key::RightsText::default()
    })
    .unwrap();
    let head = head("POST", "/api/v2/tickets", FORM);
    let body = full
        .guard(&head, Body::full("_method=DELETE"), &mut memory())
        .await
        .unwrap();
    assert_eq!(sent(body).await, (b"_method=DELETE".to_vec(), None));
}

/// A body that declares its length.
struct Known(FrameBody);

impl http_body::Body for Known {
    type Data = Bytes;
    type Error = crate::body::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(100)
    }
}
