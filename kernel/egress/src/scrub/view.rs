//! Bytes as they came, and with their escapes undone; what is found in a view is told as a range of the bytes that came.

use std::borrow::Cow;
use std::ops::Range;

/// A reading of the bytes.
pub(super) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where each byte of the reading came from, and at last the end; `None` where the reading is what came.
    places: Option<Vec<usize>>,
}

/// Escapes within escapes that are undone: JSON in a JSON text, a URL in a URL's query, and each in the other.
const DEPTH_MAX: usize = 2;

impl<'a> View<'a> {
    /// As it came, and with percent-encoding and JSON escapes undone in every order. Readings without escapes of a kind have
    /// none that differs.
    pub(super) fn all(bytes: &'a [u8]) -> Vec<Self> {
        let mut views = vec![Self { bytes: Cow::Borrowed(bytes), places: None }];
        let mut begin = 0;
        for _ in 0..DEPTH_MAX {
            let end = views.len();
            for at in begin..end {
                let read = views.get(at).map(|view| [view.read(percent_at, b'%'), view.read(json_at, b'\\')]);
                views.extend(read.into_iter().flatten().flatten());
            }
            begin = end;
        }
        views
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that `range` of this reading came from.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        self.place(range.start)..self.place(range.end)
    }

    fn place(&self, at: usize) -> usize {
        match &self.places {
            None => at,
            Some(places) => places.get(at).copied().unwrap_or_default(),
        }
    }

    /// Undoes one kind of escape, each of which begins with `mark`; `None` if there is none.
    fn read<'b>(&self, escape_at: fn(&[u8]) -> Option<(Escaped, usize)>, mark: u8) -> Option<View<'b>> {
        if !self.bytes.contains(&mark) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..)
            && let Some(&byte) = rest.first()
        {
            let escape = if byte == mark { escape_at(rest) } else { None };
            let (meant, length) = escape.unwrap_or((Escaped::of(byte), 1));
            for byte in meant.bytes() {
                bytes.push(*byte);
                places.push(self.place(at));
            }
            at += length;
        }
        places.push(self.place(at));
        Some(View { bytes: Cow::Owned(bytes), places: Some(places) })
    }
}

/// What an escape means: one character at most.
struct Escaped {
    bytes: [u8; 4],
    length: usize,
}

impl Escaped {
    fn of(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    fn char(meant: char) -> Self {
        let mut bytes = [0; 4];
        let length = meant.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// `%41` at the start of `text`, and its length.
fn percent_at(text: &[u8]) -> Option<(Escaped, usize)> {
    let byte = digits(text.get(1..3)?)?;
    Some((Escaped::of(u8::try_from(byte).ok()?), 3))
}

/// `\n`, `\u0041` or a pair of surrogates (RFC 8259 section 7) at the start of `text`, and its length.
fn json_at(text: &[u8]) -> Option<(Escaped, usize)> {
    let one = |byte| Some((Escaped::of(byte), 2));
    match text.get(1)? {
        b'n' => one(b'\n'),
        b't' => one(b'\t'),
        b'r' => one(b'\r'),
        b'b' => one(8),
        b'f' => one(12),
        byte @ (b'"' | b'\\' | b'/' | b'\'') => one(*byte),
        b'u' => {
            let high = digits(text.get(2..6)?)?;
            if let Some(meant) = char::from_u32(high) {
                return Some((Escaped::char(meant), 6));
            }
            let low = digits(text.get(6..12)?.strip_prefix(b"\\u")?)?;
            let units = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
            Some((Escaped::char(char::decode_utf16(units).next()?.ok()?), 12))
        }
        _ => None,
    }
}

/// The number that hexadecimal digits stand for.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

/// `bytes` without percent-encoding.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let plain = View { bytes: Cow::Borrowed(bytes), places: None };
    plain.read(percent_at, b'%').map_or_else(|| bytes.to_vec(), |view| view.bytes.into_owned())
}
