//! What happened, on stderr: stdout belongs to the protocol.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// # Errors
/// `level` is none.
pub fn to_stderr(level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| {
        format!("--log-level: expected a level or directives like `warn,rmcp=debug`, not `{level}`")
    })?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    Ok(())
}
