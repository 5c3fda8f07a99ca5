//! Waits for conditions by polling, so that tests need no sleeps of a fixed length.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Waits until `condition` holds.
///
/// # Panics
/// If that takes longer than any test should take.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(POLL).await;
        }
    };
    let waited = timeout(PATIENCE, holds).await;
    waited.unwrap_or_else(|_| panic!("timed out waiting until {what}"));
}

const POLL: Duration = Duration::from_millis(20);
/// Longer than any successful operation takes, even on a machine that is busy with a build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
