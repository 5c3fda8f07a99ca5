//! Creating, changing, deleting; jobs; idempotency. ZENDESK.md: URLs in answers, Errors, Idempotency

use http::{HeaderMap, HeaderValue, Method};
use jiff::SignedDuration;
use loopdesk_tests::zendesk::{Caller, Reply, json};
use serde_json::{Value, json as object};

use crate::support::{header, refusal, signed_in, text};

#[tokio::test]
async fn a_created_ticket_has_an_absolute_location() {
    let (zendesk, caller) = signed_in().await;
    let wanted = object!({"ticket": {"subject": "S", "comment": {"body": "Hello"}, "tags": ["a"]}});
    let reply = caller.post("/api/v2/tickets.json", &wanted).await.unwrap();
    assert_eq!(reply.status(), 201);
    let ticket = json(&reply)["ticket"].clone();
    let location = header(&reply, "location");
    assert_eq!(
        location,
        format!("{}/api/v2/tickets/251.json", zendesk.origin())
    );
    assert_eq!(ticket["url"], location);
    let shown = json(&caller.get(location).await.unwrap());
    assert_eq!(shown["ticket"]["subject"], "S");
    assert_eq!(shown["ticket"]["description"], "Hello");
}

#[tokio::test]
async fn a_created_user_has_a_relative_location() {
    let (_zendesk, caller) = signed_in().await;
    let wanted = object!({"user": {"name": "N", "email": "n@example.com"}});
    let reply = caller.post("/api/v2/users.json", &wanted).await.unwrap();
    assert_eq!(reply.status(), 201);
    let location = header(&reply, "location");
    assert!(location.starts_with("/api/v2/users/"), "{location}");
    assert_eq!(
        json(&caller.get(location).await.unwrap())["user"]["name"],
        "N"
    );
    let reply = caller.post("/api/v2/users.json", &wanted).await.unwrap();
    assert_eq!(
        json(&reply)["details"]["email"][0]["error"],
        "DuplicateValue"
    );
}

#[tokio::test]
async fn records_can_be_changed_and_deleted() {
    let (_zendesk, caller) = signed_in().await;
    let change = object!({"ticket": {"status": "solved", "comment": {"body": "done"}}});
    let reply = caller.put("/api/v2/tickets/3", &change).await.unwrap();
    assert_eq!(json(&reply)["ticket"]["status"], "solved");
    let comments = json(&caller.get("/api/v2/tickets/3/comments.json").await.unwrap());
    assert_eq!(comments["comments"][2]["body"], "done");
    let reply = caller.delete("/api/v2/tickets/3.json").await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.body().len()), (204, 0));
    assert_eq!(caller.get("/api/v2/tickets/3").await.unwrap().status(), 404);
    let list = json(&caller.get("/api/v2/tickets").await.unwrap());
    assert_eq!(list["count"], 249);

    let organization = object!({"organization": {"name": "New"}});
    let reply = caller
        .post("/api/v2/organizations", &organization)
        .await
        .unwrap();
    let url = header(&reply, "location").to_owned();
    let reply = caller
        .put(&url, &object!({"organization": {"notes": "n"}}))
        .await
        .unwrap();
    assert_eq!(json(&reply)["organization"]["notes"], "n");
    assert_eq!(caller.delete(&url).await.unwrap().status(), 204);
    assert_eq!(caller.get(&url).await.unwrap().status(), 404);
}

#[tokio::test]
async fn errors_have_their_documented_shapes() {
    let (_zendesk, caller) = signed_in().await;
    let reply = caller.get("/api/v2/tickets/999999.json").await.unwrap();
    assert_eq!(reply.status(), 404);
    assert_eq!(
        json(&reply),
        object!({"error": "RecordNotFound", "description": "Not found"})
    );
    let reply = caller.get("/api/v2/nonsense.json").await.unwrap();
    assert_eq!(refusal(&reply), (404, "InvalidEndpoint".to_owned()));
    let reply = caller
        .post("/api/v2/tickets", &object!({"ticket": {}}))
        .await
        .unwrap();
    assert_eq!(refusal(&reply), (422, "RecordInvalid".to_owned()));
    assert_eq!(json(&reply)["details"]["base"][0]["error"], "BlankValue");
    let reply = caller
        .post("/api/v2/tickets", &object!({"x": {}}))
        .await
        .unwrap();
    assert_eq!(json(&reply)["error"]["title"], "Invalid attribute");
}

#[tokio::test]
async fn a_job_goes_from_queued_over_working_to_completed() {
    let (zendesk, caller) = signed_in().await;
    let wanted = object!({"tickets": [
        {"comment": {"body": "one"}}, {"comment": {"body": "two"}}, {"subject": "no text"},
    ]});
    let reply = caller
        .post("/api/v2/tickets/create_many.json", &wanted)
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let job = json(&reply)["job_status"].clone();
    let url = text(&job["url"]);
    assert!(url.starts_with(&format!("{}/api/v2/job_statuses/", zendesk.origin())));
    assert_eq!(
        (&job["status"], &job["total"]),
        (&object!("queued"), &object!(3))
    );
    let mut states = Vec::new();
    let mut last = Value::Null;
    for _ in 0..3 {
        last = json(&caller.get(url).await.unwrap())["job_status"].clone();
        states.push(text(&last["status"]).to_owned());
    }
    assert_eq!(states, ["working", "completed", "completed"]);
    assert_eq!(last["results"][1]["id"], 252);
    assert_eq!(last["results"][2]["success"], false);
    assert_eq!(
        caller.get("/api/v2/tickets/252").await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn many_tickets_can_be_changed_and_deleted_by_jobs() {
    let (_zendesk, caller) = signed_in().await;
    let change = object!({"ticket": {"status": "hold"}});
    let reply = caller
        .put("/api/v2/tickets/update_many?ids=1,2", &change)
        .await
        .unwrap();
    assert_eq!(json(&reply)["job_status"]["total"], 2);
    let shown = json(
        &caller
            .get("/api/v2/tickets/show_many?ids=1,2")
            .await
            .unwrap(),
    );
    assert_eq!(shown["tickets"][1]["status"], "hold");
    caller
        .delete("/api/v2/tickets/destroy_many?ids=1,2")
        .await
        .unwrap();
    let shown = json(
        &caller
            .get("/api/v2/tickets/show_many?ids=1,2")
            .await
            .unwrap(),
    );
    assert_eq!(shown["count"], 0);
}

async fn create_with_key(caller: &Caller, key: &str, text: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("idempotency-key", HeaderValue::from_str(key).unwrap());
    let body = object!({"ticket": {"comment": {"body": text}}}).to_string();
    let reply = caller.send(Method::POST, "/api/v2/tickets", headers, body.into());
    reply.await.unwrap()
}

#[tokio::test]
async fn an_idempotency_key_creates_once() {
    let (zendesk, caller) = signed_in().await;
    let first = create_with_key(&caller, "k", "x").await;
    assert_eq!(header(&first, "x-idempotency-lookup"), "miss");
    let second = create_with_key(&caller, "k", "x").await;
    assert_eq!(second.status(), 201);
    assert_eq!(header(&second, "x-idempotency-lookup"), "hit");
    assert_eq!(json(&first)["ticket"]["id"], json(&second)["ticket"]["id"]);
    let other = create_with_key(&caller, "k", "y").await;
    assert_eq!(refusal(&other), (400, "IdempotentRequestError".to_owned()));
    assert_eq!(
        json(&other)["description"],
        "Request parameters don't match the given idempotency key"
    );
    assert_eq!(
        create_with_key(&caller, &"k".repeat(256), "x")
            .await
            .status(),
        400
    );
    // A key is remembered for two hours, longer than the lifetime of the first token.
    zendesk.move_clock(SignedDuration::from_hours(2));
    let access = zendesk.issue_tokens(&["write"]).access;
    let later = create_with_key(&zendesk.caller().unwrap().bearer(&access), "k", "y").await;
    assert_eq!(header(&later, "x-idempotency-lookup"), "miss");
}
