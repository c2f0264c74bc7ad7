//! Waiting, shown: a spinner on stderr for what takes longer than a second, where somebody sees it.

pub mod progress;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;

const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(120);

/// Waits for `work`; after a second says what for.
pub async fn show<T>(console: &Console, message: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if !console.is_stderr_terminal() {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(message.to_owned());
    bar.enable_steady_tick(FRAME);
    let done = work.await;
    bar.finish_and_clear();
    done
}
