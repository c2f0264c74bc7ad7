//! Text from others on a terminal: escapes of what it would hide, reorder or obey, in a style of their own.

use latchgate_wire::visible::render;
pub use latchgate_wire::visible::{is_hidden, json, plain};
use owo_colors::OwoColorize as _;

/// As [`plain`], escapes in a style that no character of the text can have.
pub fn styled(text: &str) -> String {
    tinted(text, str::to_owned)
}

/// As [`styled`], the text itself in a colour.
pub fn tinted(text: &str, tint: impl Fn(&str) -> String) -> String {
    render(text, tint, |escape| escape.yellow().reversed().to_string())
}

/// Many lines as they are, for output that people asked for: only what is invisible, reorders or commands is escaped.
pub fn multiline(text: &str) -> String {
    let lines: Vec<String> =
        text.split('\n').map(|line| render_keeping_tabs(line.strip_suffix('\r').unwrap_or(line))).collect();
    lines.join("\n")
}

/// Tabs stay tabs: this is for what a person asked to see, not for what a person has to judge.
fn render_keeping_tabs(line: &str) -> String {
    let parts: Vec<String> = line.split('\t').map(styled).collect();
    parts.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_have_a_style_and_text_has_none() {
        assert_eq!(styled("a"), "a");
        let shown = styled("\u{202E}");
        assert!(shown.starts_with('\u{1B}') && shown.contains("\\u{202E}"), "{shown:?}");
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), "\\u{202E}");
    }

    #[test]
    fn a_tint_holds_for_the_text_and_not_for_the_escapes() {
        let shown = tinted("a\u{202E}b", |run| format!("<{run}>"));
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), "<a>\\u{202E}<b>");
    }

    #[test]
    fn multiline_keeps_lines_and_tabs_only() {
        let shown = anstream::adapter::strip_str(&multiline("a\tb\r\nc\u{1B}[0m\n")).to_string();
        assert_eq!(shown, "a\tb\nc\\u{1B}[0m\n");
    }
}
