//! Logs: what the gate's operator needs to know, on stderr, never an argument, a lease, a proof or a key.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// `LATCHGATE_LOG` chooses the level (`error`, `warn`, `info`, `debug`, or tracing's filter syntax); default `warn`.
/// Called once; a second call changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("LATCHGATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .finish();
    // Somebody who embeds the gate may have a subscriber of their own.
    let _set_already = tracing::subscriber::set_global_default(subscriber);
}
