//! Character references: `&amp;`, `&#169;`, `&#xA9;`. Decoded once: what comes out is text, never a reference again.

use std::borrow::Cow;

/// `text` with its references replaced. One that is not known stays as it is written.
pub fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&') else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut at = first;
    loop {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(&rest[1..]) {
            Some((character, len)) => {
                out.push(character);
                rest = &rest[1 + len..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
        match rest.find('&') {
            Some(next) => at = next,
            None => {
                out.push_str(rest);
                return Cow::Owned(out);
            }
        }
    }
}

/// The character meant by what follows an `&`, and the bytes it took.
fn reference(text: &str) -> Option<(char, usize)> {
    // Long enough for every name in the table and every code point.
    const LEN_MAX: usize = 12;
    let bytes = text.as_bytes();
    let start = usize::from(bytes.first() == Some(&b'#'));
    let word = bytes.iter().skip(start).take(LEN_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    let len = start + word;
    let (name, ends) = (text.get(start..len)?, bytes.get(len) == Some(&b';'));
    let character = match start {
        1 => numeric(name)?,
        _ if ends || WITHOUT_SEMICOLON.contains(&name) => named(name)?,
        _ => return None,
    };
    Some((character, len + usize::from(ends)))
}

fn numeric(digits: &str) -> Option<char> {
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    // Not `+1`, which the parsers of numbers would take; a code that is no character is U+FFFD.
    let code = code.ok()?;
    Some(match code {
        0x80..=0x9f => super::charset::windows_1252(u8::try_from(code).ok()?),
        _ => char::from_u32(code).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER),
    })
}

fn named(name: &str) -> Option<char> {
    if let Ok(found) = NAMED.binary_search_by_key(&name, |(known, _)| known) {
        return Some(NAMED[found].1);
    }
    let latin = LATIN_1.iter().position(|known| *known == name)?;
    char::from_u32(0xa0 + u32::try_from(latin).ok()?)
}

/// Old pages leave out their semicolon.
const WITHOUT_SEMICOLON: &[&str] = &["amp", "copy", "gt", "lt", "nbsp", "quot", "reg"];

/// Sorted.
const NAMED: &[(&str, char)] = &[
    ("Delta", 'Δ'),
    ("OElig", 'Œ'),
    ("Omega", 'Ω'),
    ("Scaron", 'Š'),
    ("Sigma", 'Σ'),
    ("Zcaron", 'Ž'),
    ("alpha", 'α'),
    ("amp", '&'),
    ("apos", '\''),
    ("beta", 'β'),
    ("bull", '•'),
    ("check", '✓'),
    ("dagger", '†'),
    ("darr", '↓'),
    ("delta", 'δ'),
    ("emsp", '\u{2003}'),
    ("ensp", '\u{2002}'),
    ("epsilon", 'ε'),
    ("euro", '€'),
    ("gamma", 'γ'),
    ("ge", '≥'),
    ("gt", '>'),
    ("harr", '↔'),
    ("hellip", '…'),
    ("infin", '∞'),
    ("lambda", 'λ'),
    ("larr", '←'),
    ("ldquo", '“'),
    ("le", '≤'),
    ("lsaquo", '‹'),
    ("lsquo", '‘'),
    ("lt", '<'),
    ("mdash", '—'),
    ("minus", '−'),
    ("mu", 'μ'),
    ("ndash", '–'),
    ("ne", '≠'),
    ("oelig", 'œ'),
    ("omega", 'ω'),
    ("permil", '‰'),
    ("phi", 'φ'),
    ("pi", 'π'),
    ("prime", '′'),
    ("quot", '"'),
    ("radic", '√'),
    ("rarr", '→'),
    ("rdquo", '”'),
    ("rsaquo", '›'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("scaron", 'š'),
    ("sigma", 'σ'),
    ("sum", '∑'),
    ("theta", 'θ'),
    ("thinsp", '\u{2009}'),
    ("trade", '™'),
    ("uarr", '↑'),
    ("zcaron", 'ž'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: &[&str] = &[
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_references_become_characters() {
        for (text, decoded) in [
            ("no reference", "no reference"),
            ("&lt;b&gt; &amp; &quot;&apos;", "<b> & \"'"),
            ("&Auml;&yuml;&nbsp;&times;&AElig;", "Äÿ\u{a0}×Æ"),
            ("&mdash;&hellip;&zcaron;&Delta;", "—…žΔ"),
            ("&#65;&#x41;&#X1F600;", "AA😀"),
            ("&#150;&#x80;", "–€"),
            ("a&amp b&copy", "a& b©"),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }

    #[test]
    fn whatever_is_no_reference_stays() {
        for text in [
            "&", "&&", "a & b", "&;", "&#;", "&#x;", "&nope;", "&mdash", "&ampere", "?a=1&b=2", "&é;",
            "&#+1;",
        ] {
            assert_eq!(decode(text), text, "{text}");
        }
    }

    #[test]
    fn a_code_that_is_no_character_is_replaced() {
        for text in ["&#0;", "&#xD800;", "&#x110000;", "&#4294967295;"] {
            assert_eq!(decode(text), "\u{fffd}", "{text}");
        }
        assert_eq!(decode("&#x10FFFF;"), "\u{10ffff}");
        assert_eq!(decode("&#99999999999;"), "&#99999999999;");
    }

    #[test]
    fn what_was_decoded_is_not_decoded_again() {
        assert_eq!(decode("&amp;lt;&#38;amp;"), "&lt;&amp;");
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(NAMED.is_sorted_by_key(|(name, _)| name));
        assert_eq!(LATIN_1.len(), 0x60);
    }
}
