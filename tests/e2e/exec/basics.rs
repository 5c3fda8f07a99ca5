//! What a command gets, and how it ends.

use super::{ME, named};

#[tokio::test]
async fn s9_curl_with_zendesks_own_address_is_answered_as_the_person() {
    let (named, daemon) = named().await;
    let output = named.exec(&["--", "curl", "-sS", ME]).await.ok();
    let me = output.json();
    assert!(me["user"]["id"].is_u64(), "{output:?}");
    daemon.stop().await;
}
