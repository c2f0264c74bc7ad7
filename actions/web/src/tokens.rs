//! HTML as tags and text, in one pass that never looks back: the time is linear in the page, whatever is in it.
//!
//! What browsers do with well-formed markup is done here, after the tokenizer of the HTML standard (WHATWG, section 13.2.5);
//! what is malformed is dropped up to the next `>` or the end, never tried again another way.

/// One piece of a page. Comments and declarations are no pieces.
#[derive(Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// With its character references.
    Text(&'a str),
    Open(Tag<'a>),
    /// The name as written.
    Close(&'a str),
}

/// A start tag.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// As written.
    pub name: &'a str,
    /// Everything between name and `>`.
    attributes: &'a str,
}

pub struct Tokens<'a> {
    html: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn of(html: &'a str) -> Self {
        Self { html, at: 0 }
    }

    /// The content of an element whose start tag came last and that holds no markup, such as `script`: up to its end tag,
    /// or all the rest.
    pub fn raw_text(&mut self, name: &str) -> &'a str {
        let start = self.at;
        let mut from = start;
        while let Some(found) = self.html[from..].find("</") {
            let close = from + found;
            if is_name_at(&self.html[close + 2..], name) {
                self.at = close;
                return &self.html[start..close];
            }
            from = close + 2;
        }
        self.at = self.html.len();
        &self.html[start..]
    }

    /// The place reached, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// A tag from `<` on. `None` if it does not end: then nothing follows.
    fn tag(&mut self, name_at: usize) -> Option<Tag<'a>> {
        let rest = &self.html[name_at..];
        let name_len = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
        let name_len = name_len.unwrap_or(rest.len());
        let (name, rest) = rest.split_at(name_len);
        match tag_end(rest) {
            Some(end) => {
                self.at = name_at + name_len + end + 1;
                Some(Tag { name, attributes: &rest[..end] })
            }
            None => {
                self.at = self.html.len();
                None
            }
        }
    }

    /// Goes behind the next `end`, or to the end of the page.
    fn skip_past(&mut self, from: usize, end: &str) {
        let found = self.html.get(from..).and_then(|rest| rest.find(end));
        self.at = found.map_or(self.html.len(), |found| from + found + end.len());
    }

    fn comment(&mut self) {
        let content = self.at + "<!--".len();
        // `<!-->` and `<!--->` are whole comments.
        let rest = &self.html[content..];
        if let Some(short) = [">", "->"].iter().find(|end| rest.starts_with(**end)) {
            self.at = content + short.len();
        } else {
            self.skip_past(content, "-->");
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.html.get(self.at..).filter(|rest| !rest.is_empty())?;
            let bytes = rest.as_bytes();
            let second = bytes.get(1).copied().unwrap_or(b' ');
            match (bytes[0], second) {
                (b'<', b'!') if rest.starts_with("<!--") => self.comment(),
                (b'<', b'!' | b'?') => self.skip_past(self.at, ">"),
                (b'<', b'/') if bytes.get(2).is_some_and(u8::is_ascii_alphabetic) => {
                    return self.tag(self.at + 2).map(|tag| Token::Close(tag.name));
                }
                (b'<', b'/') => self.skip_past(self.at, ">"),
                (b'<', letter) if letter.is_ascii_alphabetic() => {
                    return self.tag(self.at + 1).map(Token::Open);
                }
                _ => {
                    // A `<` that begins nothing is text.
                    let inside = usize::from(bytes[0] == b'<');
                    let end = rest[inside..].find('<').map_or(rest.len(), |end| inside + end);
                    self.at += end;
                    return Some(Token::Text(&rest[..end]));
                }
            }
        }
    }
}

impl<'a> Tag<'a> {
    /// The value of the first attribute of that name, with its character references.
    pub fn attribute(&self, wanted: &str) -> Option<&'a str> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            // The first character belongs to the name even if it is `=`.
            let first = rest.chars().next()?.len_utf8();
            let name_len = rest[first..].find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '='));
            let (name, after) = rest.split_at(name_len.map_or(rest.len(), |len| first + len));
            let (value, after) = match after.trim_start().strip_prefix('=') {
                Some(after) => value(after.trim_start()),
                None => ("", after),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(value);
            }
            rest = after;
        }
    }

    pub fn closes_itself(&self) -> bool {
        self.attributes.ends_with('/')
    }
}

/// The value at the start of `text`, and what follows.
fn value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()))
}

/// Where the `>` of a tag stands: not within a quoted value.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_value = false;
    for (i, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(i),
            (None, b'"' | b'\'') if is_value => quote = Some(byte),
            (None, _) => {}
        }
        is_value = byte == b'=' || (is_value && byte.is_ascii_whitespace());
    }
    None
}

fn is_name_at(text: &str, name: &str) -> bool {
    let Some(found) = text.get(..name.len()) else { return false };
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>');
    found.eq_ignore_ascii_case(name) && text[name.len()..].chars().next().is_none_or(ends)
}

/// Where the last end tag of each name begins, found in one pass.
pub fn last_closes<const N: usize>(html: &str, names: &[&str; N]) -> [Option<usize>; N] {
    let mut found = [None; N];
    let mut missing = N;
    let ends = html.as_bytes().windows(2).enumerate().rev().filter(|(_, pair)| *pair == b"</");
    for (at, _) in ends {
        for (place, name) in found.iter_mut().zip(names) {
            if place.is_none() && is_name_at(&html[at + 2..], name) {
                *place = Some(at);
                missing -= 1;
            }
        }
        if missing == 0 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> Vec<String> {
        let token = |token| match token {
            Token::Text(text) => text.to_owned(),
            Token::Open(tag) => format!("<{}>", tag.name),
            Token::Close(name) => format!("</{name}>"),
        };
        Tokens::of(html).map(token).collect()
    }

    #[test]
    fn tags_and_text_alternate() {
        assert_eq!(shown("a<b>c</b >d<br/>é"), ["a", "<b>", "c", "</b>", "d", "<br>", "é"]);
        assert_eq!(shown("é<b>"), ["é", "<b>"]);
    }

    #[test]
    fn comments_and_declarations_are_dropped() {
        for html in
            ["<!-- <b> -->", "<!---->", "<!-->", "<!--->", "<!doctype html>", "<?xml?>", "</ x>", "<!x>"]
        {
            assert_eq!(shown(&format!("{html}x")), ["x"], "{html}");
        }
        for html in ["<!-- x", "<!x", "<?x", "<b x", "<b x='>", "</b", "<b x=\""] {
            assert_eq!(shown(html), [""; 0], "{html}");
        }
    }

    #[test]
    fn a_sign_that_begins_no_tag_is_text() {
        for html in ["1 < 2", "<", "<3", "a <", "<é"] {
            assert_eq!(shown(html).concat(), html, "{html}");
        }
    }

    #[test]
    fn a_tag_ends_outside_its_quoted_values() {
        assert_eq!(shown("<a x='>' y=\">\" z = '>'>t"), ["<a>", "t"]);
        // A quote that begins no value is part of a name.
        assert_eq!(shown("<a x\">t"), ["<a>", "t"]);
    }

    #[test]
    fn attributes_are_found_by_name() {
        let attribute = |html: &'static str| match Tokens::of(html).next() {
            Some(Token::Open(tag)) => tag.attribute("href").map(str::to_owned),
            other => panic!("{other:?}"),
        };
        for (html, value) in [
            ("<a href=x>", "x"),
            ("<a HREF = 'x y'>", "x y"),
            ("<a a=1 b href=\"x'\" c>", "x'"),
            ("<a/href=x/y>", "x/y"),
            ("<a href>", ""),
            ("<a href=1 href=2>", "1"),
            ("<a title='href=no' href=yes>", "yes"),
            ("<a =href=no href=yes>", "yes"),
        ] {
            assert_eq!(attribute(html).as_deref(), Some(value), "{html}");
        }
        for html in ["<a>", "<a xhref=x>", "<a x=href>", "<a ===>", "<a é=1>"] {
            assert_eq!(attribute(html), None, "{html}");
        }
    }

    #[test]
    fn the_last_end_tags_are_found() {
        let found = last_closes("é</a></b></A ></bb><b></a", &["a", "b", "c"]);
        assert_eq!(found, [Some(23), Some(6), None]);
    }

    #[test]
    fn raw_text_ends_with_its_own_end_tag() {
        for (html, raw, rest) in [
            ("<script>a<b></b></SCRIPT >x", "a<b></b>", vec!["</SCRIPT>", "x"]),
            ("<script></scripts></script", "</scripts>", vec![]),
            ("<script>a", "a", vec![]),
            ("<script>é</é", "é</é", vec![]),
        ] {
            let mut tokens = Tokens::of(html);
            tokens.next();
            assert_eq!(tokens.raw_text("script"), raw, "{html}");
            let rest: Vec<_> = rest.into_iter().map(str::to_owned).collect();
            assert_eq!(shown(&html[tokens.at()..]), rest, "{html}");
        }
    }
}
