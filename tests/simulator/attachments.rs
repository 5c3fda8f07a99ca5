//! Uploads, attachments and the second host. ZENDESK.md: Files

use http::{HeaderMap, HeaderValue, Method};
use loopdesk_tests::zendesk::{Credential, Host, Zendesk, json};
use serde_json::{Value, json as object};

use crate::support::{header, refusal, signed_in, text, with_scopes};

#[tokio::test]
async fn an_upload_becomes_a_comments_attachment() {
    let (zendesk, caller) = signed_in().await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("image/png"));
    let path = "/api/v2/uploads.json?filename=crash+report.png";
    let reply = caller
        .send(Method::POST, path, headers, "bytes".into())
        .await
        .unwrap();
    assert_eq!(reply.status(), 201);
    let upload = json(&reply)["upload"].clone();
    assert_eq!(upload["attachment"]["file_name"], "crash report.png");
    assert_eq!(upload["attachments"][0], upload["attachment"]);
    let content_url = text(&upload["attachment"]["content_url"]);
    assert!(content_url.starts_with(&format!("{}/attachments/token/", zendesk.origin())));
    assert!(content_url.ends_with("/?name=crash+report.png"));
    assert!(upload["attachment"]["thumbnails"][0]["content_url"].is_string());

    let comment = object!({"body": "see file", "uploads": [upload["token"]]});
    let ticket = object!({"ticket": {"comment": comment}});
    caller.put("/api/v2/tickets/1", &ticket).await.unwrap();
    let comments = json(&caller.get("/api/v2/tickets/1/comments").await.unwrap());
    assert_eq!(
        comments["comments"][2]["attachments"][0],
        upload["attachment"]
    );
    let url = text(&upload["attachment"]["url"]);
    assert_eq!(
        json(&caller.get(url).await.unwrap())["attachment"],
        upload["attachment"]
    );
}

#[tokio::test]
async fn a_content_url_redirects_to_another_host_that_has_the_bytes() {
    let (zendesk, caller) = signed_in().await;
    let comments = json(&caller.get("/api/v2/tickets/1/comments.json").await.unwrap());
    let attachment = comments["comments"][0]["attachments"][0].clone();
    let reply = caller.get(text(&attachment["content_url"])).await.unwrap();
    assert_eq!(reply.status(), 302);
    let location = header(&reply, "location").to_owned();
    assert!(location.starts_with(zendesk.second_origin()));

    let nobody = zendesk.caller().unwrap();
    let file = nobody.get(&location).await.unwrap();
    assert_eq!(file.status(), 200);
    assert_eq!(object!(file.body().len()), attachment["size"]);
    assert_eq!(header(&file, "content-type"), "image/png");
    let seen = zendesk.requests();
    let seen = seen
        .iter()
        .find(|record| record.host == Host::Files)
        .unwrap();
    assert_eq!(seen.credential, Credential::None);
}

#[tokio::test]
async fn the_second_host_refuses_a_credential() {
    let (zendesk, caller) = signed_in().await;
    let location = redirected(&zendesk).await;
    assert_eq!(caller.get(&location).await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_second_host_serves_ranges() {
    let (zendesk, _) = signed_in().await;
    let location = redirected(&zendesk).await;
    let caller = zendesk.caller().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("range", HeaderValue::from_static("bytes=1-3"));
    let reply = caller
        .send(Method::GET, &location, headers, "".into())
        .await
        .unwrap();
    assert_eq!(reply.status(), 206);
    assert_eq!(reply.body().as_ref(), b"PNG");
    assert_eq!(header(&reply, "content-range"), "bytes 1-3/20008");
}

#[tokio::test]
async fn an_attachment_wants_a_credential() {
    let (zendesk, caller) = signed_in().await;
    let comments = json(&caller.get("/api/v2/tickets/1/comments.json").await.unwrap());
    let url = text(&comments["comments"][0]["attachments"][0]["content_url"]).to_owned();
    assert_eq!(
        zendesk.caller().unwrap().get(&url).await.unwrap().status(),
        401
    );
    zendesk.expire_access_tokens();
    let reply = caller.get(&url).await.unwrap();
    assert_eq!(refusal(&reply), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn too_large_an_upload_is_413_and_measured() {
    let zendesk = Zendesk::builder().upload_limit(1000).body_cap(10);
    let zendesk = zendesk.start().await.unwrap();
    let caller = with_scopes(&zendesk, &["write"]);
    let path = "/api/v2/uploads?filename=x";
    let body = vec![b'x'; 5000];
    let reply = caller.send(Method::POST, path, HeaderMap::new(), body.into());
    assert_eq!(reply.await.unwrap().status(), 413);
    let record = &zendesk.requests()[0];
    assert_eq!((record.body_length, record.body.len()), (5000, 10));
    assert_eq!(record.body_sha256.as_ref().unwrap().len(), 64);
}

#[tokio::test]
async fn help_center_files_redirect_as_well() {
    let (zendesk, caller) = signed_in().await;
    let list = json(
        &caller
            .get("/api/v2/help_center/articles.json")
            .await
            .unwrap(),
    );
    let id = list["articles"][0]["id"].clone();
    let path = format!("/api/v2/help_center/articles/{id}/attachments");
    let files = json(&caller.get(&path).await.unwrap());
    let url = text(&files["article_attachments"][0]["content_url"]).to_owned();
    assert!(url.contains("/hc/article_attachments/"));
    let reply = caller.get(&url).await.unwrap();
    assert!(header(&reply, "location").starts_with(zendesk.second_origin()));
}

#[tokio::test]
async fn texts_are_full_of_addresses_of_the_accounts_own() {
    let (zendesk, caller) = signed_in().await;
    let origin = zendesk.origin();
    let list = json(
        &caller
            .get("/api/v2/help_center/en-us/articles.json")
            .await
            .unwrap(),
    );
    let body = text(&list["articles"][0]["body"]);
    assert!(body.contains(&format!("{origin}/api/v2/help_center/articles/")));
    assert!(body.contains(&format!("{origin}/hc/article_attachments/")));
    let ticket = json(&caller.get("/api/v2/tickets/1").await.unwrap());
    let description: &Value = &ticket["ticket"]["description"];
    assert!(text(description).contains(&format!("{origin}/api/v2/tickets/1.json")));
    // Articles are public.
    let public = zendesk
        .caller()
        .unwrap()
        .get("/api/v2/help_center/articles")
        .await
        .unwrap();
    assert_eq!(public.status(), 200);
}

async fn redirected(zendesk: &Zendesk) -> String {
    let caller = with_scopes(zendesk, &["read"]);
    let comments = json(&caller.get("/api/v2/tickets/1/comments.json").await.unwrap());
    let url = text(&comments["comments"][0]["attachments"][0]["content_url"]).to_owned();
    header(&caller.get(&url).await.unwrap(), "location").to_owned()
}

#[tokio::test]
async fn a_voice_comment_leads_to_its_recording() {
    let (zendesk, caller) = signed_in().await;
    let comments = json(&caller.get("/api/v2/tickets/4/comments").await.unwrap());
    let voice = &comments["comments"][2];
    assert_eq!(voice["type"], "VoiceComment");
    let url = text(&voice["data"]["recording_url"]);
    let recording = caller.get(url).await.unwrap();
    assert_eq!(header(&recording, "content-type"), "audio/mpeg");
    assert_eq!(recording.body().len(), 30_004);
    let nobody = zendesk.caller().unwrap().get(url).await.unwrap();
    assert_eq!(nobody.status(), 401);
}
