//! The faults that a test can install.

use std::time::Duration;

use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use loopdesk_tests::zendesk::{Answer, Fault, Gate, Host, Outcome, Standing, Zendesk, json};
use serde_json::json as object;

use crate::support::{header, log_in, post_token, refresh_of, refusal, signed_in, text};

#[tokio::test]
async fn a_fault_strikes_where_and_as_often_as_it_says() {
    let (zendesk, caller) = signed_in().await;
    let fault = Fault::on("GET", "/api/v2/tickets*").after(1).times(2);
    let fault = zendesk.fault(fault.answer(Answer::maintenance(7)));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let reply = caller.get("/api/v2/tickets/1.json").await.unwrap();
        statuses.push(reply.status().as_u16());
        caller.get("/api/v2/users.json").await.unwrap();
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    assert_eq!(fault.hits(), 2);
    let again = zendesk.fault(Fault::on("*", "*").answer(Answer::gateway_page(502)));
    assert_eq!(caller.get("/api/v2/users").await.unwrap().status(), 502);
    again.remove();
    assert_eq!(caller.get("/api/v2/users").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reset_before_the_commit_changes_nothing() {
    let zendesk = Zendesk::start().await.unwrap();
    let pair = log_in(&zendesk).await;
    zendesk.fault(
        Fault::on("POST", "/oauth/tokens")
            .once()
            .reset_before_commit(),
    );
    let body = refresh_of(text(&pair["refresh_token"]));
    let caller = zendesk.caller().unwrap();
    caller.post("/oauth/tokens", &body).await.unwrap_err();
    assert_eq!(zendesk.token_posts()[1].outcome, Outcome::Reset);
    assert_eq!(post_token(&zendesk, &body).await.status(), 201);
}

#[tokio::test]
async fn a_reset_after_the_commit_loses_the_answer_only() {
    let zendesk = Zendesk::start().await.unwrap();
    for http2 in [false, true] {
        let pair = log_in(&zendesk).await;
        zendesk.fault(
            Fault::on("POST", "/oauth/tokens")
                .once()
                .reset_after_commit(),
        );
        let body = refresh_of(text(&pair["refresh_token"]));
        let caller = zendesk.caller().unwrap();
        let caller = if http2 { caller.http2() } else { caller };
        caller.post("/oauth/tokens", &body).await.unwrap_err();
        let reply = post_token(&zendesk, &body).await;
        assert_eq!(refusal(&reply), (400, "invalid_grant".to_owned()));
        assert_eq!(
            zendesk.tokens().last().unwrap().refresh_standing,
            Standing::Live
        );
    }
}

#[tokio::test]
async fn a_gate_holds_the_answer_until_the_test_opens_it() {
    let zendesk = Zendesk::start().await.unwrap();
    let pair = log_in(&zendesk).await;
    let gate = Gate::closed();
    zendesk.fault(Fault::on("POST", "/oauth/tokens").hold_answer(&gate));
    let body = refresh_of(text(&pair["refresh_token"]));
    let caller = zendesk.caller().unwrap();
    let refresh = tokio::spawn(async move { caller.post("/oauth/tokens", &body).await });
    gate.reached(1).await;
    // Zendesk has rotated the tokens, and the client doesn't know yet.
    assert_eq!(zendesk.tokens()[0].refresh_standing, Standing::Consumed);
    assert_eq!(zendesk.token_posts()[1].outcome, Outcome::Pending);
    gate.open();
    assert_eq!(refresh.await.unwrap().unwrap().status(), 201);
}

#[tokio::test]
async fn what_was_begun_is_finished_when_the_client_hangs_up() {
    let zendesk = Zendesk::start().await.unwrap();
    let pair = log_in(&zendesk).await;
    let gate = Gate::closed();
    zendesk.fault(Fault::on("POST", "/oauth/tokens").hold(&gate));
    let body = refresh_of(text(&pair["refresh_token"]));
    let caller = zendesk.caller().unwrap();
    let refresh = tokio::spawn(async move { caller.post("/oauth/tokens", &body).await });
    gate.reached(1).await;
    refresh.abort();
    refresh.await.unwrap_err();
    assert_eq!(zendesk.tokens()[0].refresh_standing, Standing::Live);
    gate.open();
    let answered = |records: &[loopdesk_tests::zendesk::Record]| {
        records
            .last()
            .is_some_and(|record| record.status().is_some())
    };
    zendesk.wait_for(answered).await.unwrap();
    assert_eq!(zendesk.tokens()[0].refresh_standing, Standing::Consumed);
}

#[tokio::test]
async fn answers_can_be_replaced_edited_and_sent_early() {
    let (zendesk, caller) = signed_in().await;
    let at = || Fault::on("POST", "/api/v2/tickets").once();
    let ticket = object!({"ticket": {"comment": {"body": "x"}}});
    zendesk.fault(at().replace_answer(Answer::captive_portal()));
    zendesk.fault(at().edit_answer(|answer| *answer = answer.clone().header("x-more", "1")));
    zendesk.fault(at().answer_early(Answer::redirect(307, "/elsewhere")));
    zendesk.fault(at().answer(Answer::too_many_requests(5)));
    let reply = caller.post("/api/v2/tickets", &ticket).await.unwrap();
    assert_eq!(header(&reply, "content-type"), "text/html; charset=utf-8");
    let reply = caller.post("/api/v2/tickets", &ticket).await.unwrap();
    assert_eq!(header(&reply, "x-more"), "1");
    let reply = caller.post("/api/v2/tickets", &ticket).await.unwrap();
    assert_eq!(header(&reply, "location"), "/elsewhere");
    let reply = caller.post("/api/v2/tickets", &ticket).await.unwrap();
    assert_eq!(header(&reply, "retry-after"), "5");
    // Only the first two have been carried out.
    let count = json(&caller.get("/api/v2/tickets/count").await.unwrap());
    assert_eq!(count["count"]["value"], 252);
}

#[tokio::test]
async fn a_truncated_body_breaks_off() {
    let (zendesk, caller) = signed_in().await;
    zendesk.fault(Fault::on("GET", "/api/v2/tickets").truncate(100));
    for caller in [caller.clone(), caller.http2()] {
        let reply = caller
            .open(Method::GET, "/api/v2/tickets", HeaderMap::new(), "".into())
            .await
            .unwrap();
        assert_eq!(reply.status(), 200);
        reply.into_body().collect().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_body_may_pause_come_in_pieces_and_be_large() {
    let (zendesk, caller) = signed_in().await;
    let whole = caller.get("/api/v2/tickets/1").await.unwrap();
    let gate = Gate::closed();
    zendesk.fault(
        Fault::on("GET", "/api/v2/tickets/1")
            .chunk(7)
            .pause_body(20, &gate),
    );
    let reply = caller
        .open(
            Method::GET,
            "/api/v2/tickets/1",
            HeaderMap::new(),
            "".into(),
        )
        .await
        .unwrap();
    let mut body = reply.into_body();
    let mut got = Vec::new();
    while got.len() < 20 {
        got.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    assert_eq!(got, whole.body()[..20]);
    gate.open();
    got.extend(body.collect().await.unwrap().to_bytes());
    assert_eq!(got, whole.body().as_ref());

    zendesk.clear_faults();
    zendesk.fault(Fault::on("GET", "/api/v2/tickets/1").repeat_body(vec![b' '; 1000], 1000));
    let reply = caller.get("/api/v2/tickets/1").await.unwrap();
    assert_eq!(reply.body().len(), whole.body().len() + 1_000_000);
}

#[tokio::test]
async fn a_reset_can_come_in_the_middle_of_an_upload() {
    let (zendesk, caller) = signed_in().await;
    zendesk.fault(
        Fault::on("POST", "/api/v2/uploads")
            .once()
            .reset_in_body(50_000),
    );
    let upload = async || {
        let path = "/api/v2/uploads?filename=x";
        let body = vec![b'x'; 200_000];
        caller
            .send(Method::POST, path, HeaderMap::new(), body.into())
            .await
    };
    upload().await.unwrap_err();
    let record = &zendesk.requests()[0];
    assert_eq!(record.outcome, Outcome::Reset);
    assert!(record.body_length >= 50_000 && record.body_length < 200_000);
    assert_eq!(upload().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_refused_stream_leaves_the_connection() {
    let (zendesk, caller) = signed_in().await;
    zendesk.fault(Fault::on("GET", "/api/v2/tickets").refuse_stream());
    let error = caller.http2().get("/api/v2/tickets").await.unwrap_err();
    let error = error
        .into_inner()
        .unwrap()
        .downcast::<hyper::Error>()
        .unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test]
async fn a_fault_may_look_at_the_body() {
    let zendesk = Zendesk::start().await.unwrap();
    let is_refresh = Fault::on("POST", "/oauth/tokens")
        .when(|record| {
            record
                .token_post
                .as_ref()
                .is_some_and(|post| post.grant == "refresh_token")
        })
        .answer(Answer::gateway_page(502));
    zendesk.fault(is_refresh);
    let pair = log_in(&zendesk).await;
    let reply = post_token(&zendesk, &refresh_of(text(&pair["refresh_token"]))).await;
    assert_eq!(reply.status(), 502);
}

#[tokio::test]
async fn the_second_host_can_fail_too() {
    let zendesk = Zendesk::start().await.unwrap();
    let fault = Fault::on("GET", "/attachment/*").at_host(Host::Files);
    zendesk.fault(fault.answer(Answer::new(500)));
    let url = format!("{}/attachment/x", zendesk.second_origin());
    assert_eq!(
        zendesk.caller().unwrap().get(&url).await.unwrap().status(),
        500
    );
}

#[tokio::test]
async fn a_delay_takes_its_time() {
    let (zendesk, caller) = signed_in().await;
    let time = Duration::from_millis(50);
    zendesk.fault(
        Fault::on("GET", "/api/v2/tickets")
            .delay(time)
            .delay_answer(time),
    );
    let start = std::time::Instant::now();
    assert_eq!(caller.get("/api/v2/tickets").await.unwrap().status(), 200);
    assert!(start.elapsed() >= 2 * time);
}
