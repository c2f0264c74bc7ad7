//! Host interface `log`: lines of a guest in the gate's log, bounded and without control characters.

use crate::bindings::log::{Host, Level};
use crate::call::Call;

/// Bytes of a line, after escaping.
const LINE_BYTES_MAX: usize = 1024;
/// Lines of a call.
const LINES_MAX: u32 = 100;

/// How many lines a guest wrote.
#[derive(Default)]
pub(crate) struct Lines {
    written: u32,
    dropped: u32,
}

impl Host for Call {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        if self.lines.admit() {
            let level = name(level);
            let (action_id, trace_id) = (&self.job.action_id, self.job.trace_id);
            tracing::debug!(target: "guest", action_id, %trace_id, level, "{}", escaped(&message));
        }
        Ok(())
    }
}

impl Lines {
    fn admit(&mut self) -> bool {
        let is_within = self.written < LINES_MAX;
        let counter = if is_within { &mut self.written } else { &mut self.dropped };
        *counter = counter.saturating_add(1);
        is_within
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }
}

/// The guest's own word; the line itself is always at debug, so that a guest cannot fill the operator's log.
fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn escaped(message: &str) -> String {
    let mut line = String::new();
    for c in message.chars() {
        let before = line.len();
        if is_deceptive(c) {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        if line.len() > LINE_BYTES_MAX {
            line.truncate(before);
            break;
        }
    }
    line
}

/// Moves the cursor, turns the direction, or is not to be seen.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(escaped("a\n\x1b[2J\u{202e}é"), "a\\n\\u{1b}[2J\\u{202e}é");
    }

    #[test]
    fn a_line_is_cut_at_a_character() {
        assert_eq!(escaped(&"a".repeat(2000)).len(), LINE_BYTES_MAX);
        assert_eq!(escaped(&format!("{}é", "a".repeat(1023))), "a".repeat(1023));
        assert_eq!(escaped(&format!("{}\n", "a".repeat(1023))), "a".repeat(1023));
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_dropped() {
        let mut lines = Lines::default();
        let admitted = (0..LINES_MAX + 2).filter(|_| lines.admit()).count();
        assert_eq!((admitted, lines.dropped()), (100, 2));
    }
}
