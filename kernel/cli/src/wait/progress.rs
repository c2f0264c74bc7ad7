//! How far a verification is: entries, entries a second and time left, on stderr where somebody sees it.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use latchgate_daemon::verify::Progress;

use super::PATIENCE;
use crate::console::Console;

/// Shows nothing within the first second, and nothing at all where nobody looks.
pub struct Bar {
    bar: ProgressBar,
    began: Instant,
}

impl Bar {
    pub fn new(console: &Console) -> Self {
        let bar = match console.is_stderr_terminal() {
            true => ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()),
            false => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("checking {bar:30} {percent}% {msg}, {eta} left") {
            bar.set_style(style);
        }
        let bar = Self { bar, began: Instant::now() };
        bar.watch(console.is_stderr_terminal());
        bar
    }

    fn watch(&self, is_watched: bool) {
        if is_watched {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub fn show(&self, progress: Progress) {
        let took = self.began.elapsed();
        if took < PATIENCE {
            return;
        }
        let per_second = progress.entries as f64 / took.as_secs_f64();
        self.bar.set_length(progress.bytes_in_all);
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} entries, {per_second:.0}/s", progress.entries));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
