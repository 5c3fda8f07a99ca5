//! Work that blocks on the disk.

/// Runs `work`, which may block, on a thread made for that.
///
/// # Errors
/// If `work` panics, or the runtime shuts down before it starts.
pub(in crate::session) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| "the work was cut short (a bug in loopdesk)".to_owned())
}
