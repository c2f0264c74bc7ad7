//! What the gate proves of what it recorded, and what operators add to it: proofs, resolutions, forgetting, another key.

pub mod bundle;
pub mod forget;
pub mod retention;
pub mod rotation;
pub mod unknown;

/// Files are read: not on the threads that serve sockets.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, latchgate_monitor::denial::Denial> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| latchgate_monitor::denial::Denial::fault(error.to_string()))
}
