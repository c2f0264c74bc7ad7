//! Rust source with comments and literals blanked, so that rules see code alone and lines keep their numbers.

/// Returns text of the same length in bytes and lines, in which comments, strings and characters are spaces.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = '\0';
    while let Some(next) = rest.chars().next() {
        let blank = literal_or_comment(rest, previous);
        let (piece, tail) = rest.split_at(if blank > 0 { blank } else { next.len_utf8() });
        if blank > 0 {
            masked.extend(piece.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            previous = ' ';
        } else {
            masked.push_str(piece);
            previous = next;
        }
        rest = tail;
    }
    masked
}

/// Length in bytes of the comment or literal that `rest` starts with; 0 where it starts with code.
fn literal_or_comment(rest: &str, previous: char) -> usize {
    let after_name = previous == '_' || previous.is_alphanumeric();
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else if !after_name && rest.starts_with(['r', 'b', 'c']) {
        raw_string(rest)
    } else {
        0
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        let here = rest.as_bytes().get(at..at + 2);
        match here {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` and `'\n'`, but not the lifetime `'x`.
fn character(rest: &str) -> usize {
    let inner = rest.get(1..).unwrap_or_default();
    let Some(first) = inner.chars().next() else { return 0 };
    if first == '\\' {
        // The escaped character may itself be a quote.
        return inner.get(2..).and_then(|tail| tail.find('\'')).map_or(0, |at| at + 4);
    }
    let after = 1 + first.len_utf8();
    if rest.as_bytes().get(after) == Some(&b'\'') { after + 1 } else { 0 }
}

/// `r"..."`, `r#"..."#`, `br"..."`, `cr"..."`; plain `b"..."` and `b'x'` are left to the next step.
fn raw_string(rest: &str) -> usize {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    let Some(after_r) = rest.get(prefix..).and_then(|tail| tail.strip_prefix('r')) else { return 0 };
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let Some(body) = after_r.get(hashes..).and_then(|tail| tail.strip_prefix('"')) else { return 0 };
    let close = format!("\"{}", "#".repeat(hashes));
    let opening = rest.len() - body.len();
    body.find(&close).map_or(rest.len(), |at| opening + at + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        for (text, code) in [
            ("a // unsafe", "a          "),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"f("un\"safe", 1)"#, "f(          , 1)"),
            (r##"f(r#"a"b"#, 1)"##, "f(        , 1)"),
            (r#"f(b"ab", br"c")"#, "f(b    ,      )"),
            (r"f('x', '\'', '\u{1f}')", "f(   ,     ,         )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("let r#type = \"é\";", "let r#type =     ;"),
            ("for(\"x\")", "for(   )"),
        ] {
            assert_eq!(mask(text), code, "{text}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let masked = mask("a\n\"x\ny\"\nb /*\n*/ c");
        assert_eq!(masked.lines().count(), 5);
        assert_eq!(masked.lines().nth(3), Some("b   "));
    }

    #[test]
    fn what_is_never_closed_reaches_the_end() {
        for text in ["\"abc", "/* abc", "r#\"abc"] {
            assert_eq!(mask(text).trim(), "", "{text}");
        }
    }
}
