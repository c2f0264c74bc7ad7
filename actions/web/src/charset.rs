//! From bytes to text: UTF-8, and the one older encoding that is still common.

use std::borrow::Cow;

/// The text of a page.
///
/// The encoding is what `content_type` says, else what the page says of itself at its beginning, else UTF-8. Bytes that are
/// none are U+FFFD.
///
/// # Errors
/// The name of an encoding that is not read here.
pub fn decode<'a>(body: &'a [u8], content_type: &str) -> Result<Cow<'a, str>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let head = String::from_utf8_lossy(&body[..body.len().min(DECLARED_WITHIN)]);
    let label = label(content_type).or_else(|| label(&head)).unwrap_or_default();
    match label.as_str() {
        "" | "utf-8" | "utf8" => Ok(String::from_utf8_lossy(body)),
        // The standard reads all of these as windows-1252 (WHATWG Encoding, section 4.2).
        "windows-1252" | "cp1252" | "iso-8859-1" | "iso8859-1" | "latin1" | "us-ascii" | "ascii" => {
            Ok(Cow::Owned(body.iter().map(|byte| windows_1252(*byte)).collect()))
        }
        _ => Err(label),
    }
}

/// Bytes in which a page declares its encoding (HTML standard, section 13.2.3.2).
const DECLARED_WITHIN: usize = 1024;

/// What follows the first `charset=`, in lower case.
fn label(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (_, after) = lower.split_once("charset=")?;
    let after = after.trim_start_matches(['"', '\'', ' ']);
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':' | '.'));
    Some(after[..end.unwrap_or(after.len())].to_owned()).filter(|label| !label.is_empty())
}

pub fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => C1[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// The characters of 0x80 to 0x9f; the five that are not assigned are control characters.
const C1: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_wins_over_the_page_and_utf_8_is_the_default() {
        let latin = "<meta charset=iso-8859-1>";
        for (body, content_type, text) in [
            ("é".as_bytes(), "text/html", "é"),
            ("\u{feff}é".as_bytes(), "text/html; charset=UTF-8", "é"),
            (b"\xe9\x80", "text/html; charset=\"ISO-8859-1\"", "é€"),
            (b"\xff", "", "\u{fffd}"),
        ] {
            assert_eq!(decode(body, content_type).as_deref(), Ok(text), "{content_type}");
        }
        let page = [latin.as_bytes(), b"\xe9"].concat();
        assert_eq!(decode(&page, "text/html").as_deref(), Ok(format!("{latin}é").as_str()));
        let page = [latin.as_bytes(), "é".as_bytes()].concat();
        assert_eq!(decode(&page, "text/html;charset=utf-8").as_deref(), Ok(format!("{latin}é").as_str()));
    }

    #[test]
    fn an_encoding_that_is_not_read_is_named() {
        assert_eq!(decode(b"", "text/html; charset=Shift_JIS"), Err("shift_jis".to_owned()));
    }

    #[test]
    fn a_declaration_counts_at_the_beginning_only() {
        let declaration = "charset=latin1 ";
        let body = |before: usize| [" ".repeat(before).as_bytes(), declaration.as_bytes(), b"\xe9"].concat();
        assert!(decode(&body(1024 - 15), "").is_ok_and(|text| text.ends_with('é')));
        assert!(decode(&body(1024), "").is_ok_and(|text| text.ends_with('\u{fffd}')));
    }
}
