//! Text as a receiver may show it: nothing hidden in it, on one line, and no longer than it says.

use latchgate_wire::visible;

/// Bytes of a fact's value: names, targets, digests.
pub const FACT_BYTES_MAX: usize = 160;
/// Bytes of an agent's own words. With every fact and every word at its limit a message stays below 4,096 bytes, which is what the
/// strictest service takes whole (Telegram, ntfy).
pub const WORDS_BYTES_MAX: usize = 480;

/// The text with what is hidden in it made visible. Where it is longer than `bytes_max` the rest is left off, and the text says how
/// much that is.
pub fn shown(text: &str, bytes_max: usize) -> String {
    let whole = visible::plain(text);
    if whole.len() <= bytes_max {
        return whole;
    }
    let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    // Longer text is never shown in fewer bytes, so the last that fits is found by halving.
    let fit = ends.partition_point(|end| visible::plain(&text[..*end]).len() <= bytes_max);
    let end = fit.checked_sub(1).map_or(0, |last| ends[last]);
    format!("{} [… {} more characters]", visible::plain(&text[..end]), ends.len() - fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_whole() {
        assert_eq!(shown("a b", 3), "a b");
        assert_eq!(shown("", 3), "");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(shown("abcdef", 4), "abcd [… 2 more characters]");
        assert_eq!(shown("äöü", 4), "äö [… 1 more characters]");
    }

    #[test]
    fn an_escape_is_never_cut_in_its_middle() {
        assert_eq!(shown("a\u{202E}b\u{202E}", 10), "a\\u{202E}b [… 1 more characters]");
        assert_eq!(shown("\u{202E}", 3), " [… 1 more characters]");
    }

    #[test]
    fn no_line_can_be_begun() {
        for text in ["a\nb", "a\r\nb", "a\u{2028}b", "a\u{85}b", "a\u{B}b"] {
            let shown = shown(text, 100);
            assert!(!shown.chars().any(|c| c.is_control() || c == '\u{2028}'), "{shown:?}");
        }
    }
}
