//! Work that waits for a disk.

/// Work that waits for a disk, on a thread that may.
pub(in crate::session) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| "the work was cut short (a bug in loopdesk)".to_owned())
}
