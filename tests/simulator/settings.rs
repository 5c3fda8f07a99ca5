//! What an account is set up with, and the audits of its tickets.

use loopdesk_tests::zendesk::json;
use serde_json::json as object;

use crate::support::signed_in;

#[tokio::test]
async fn an_accounts_settings_are_short_lists() {
    let (_zendesk, caller) = signed_in().await;
    for (path, key) in [
        ("groups", "groups"),
        ("slas/policies", "sla_policies"),
        ("guide/theming/themes", "themes"),
        ("channels/voice/phone_numbers", "phone_numbers"),
    ] {
        let list = caller
            .get(&format!("/api/v2/{path}.json?page[size]=10"))
            .await;
        let list = json(&list.unwrap());
        assert_eq!(list[key].as_array().map(Vec::len), Some(1), "{path}");
        assert_eq!(list["meta"]["has_more"], false, "{path}");
    }
}

#[tokio::test]
async fn every_comment_has_its_audit() {
    let (_zendesk, caller) = signed_in().await;
    let note = object!({"ticket": {"comment": {"body": "For us", "public": false}}});
    caller.put("/api/v2/tickets/3.json", &note).await.unwrap();
    let audits = caller.get("/api/v2/tickets/3/audits.json").await.unwrap();
    let audits = json(&audits)["audits"].as_array().unwrap().clone();
    let last = &audits.last().unwrap()["events"][0];
    assert_eq!(
        (&last["body"], &last["public"]),
        (&object!("For us"), &object!(false))
    );
}
