//! The forms of a value that are searched for as they are; escapes are undone before the search.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A text that holds a secret.
pub(super) struct Form {
    pub bytes: Vec<u8>,
    /// Which secret's.
    pub secret: usize,
    /// The digits before and behind hold bits of it as well, and go with it.
    shares_before: bool,
    shares_after: bool,
}

/// Digits of base64 under which a form would be found everywhere: it is what short values, which the operator insisted on, leave.
const DIGITS_MIN: usize = 4;

/// Adds the forms of `value`.
pub(super) fn of(value: &[u8], secret: usize, forms: &mut Vec<Form>) {
    let mut add = |bytes: Vec<u8>, shares_before: bool, shares_after: bool| {
        if !bytes.is_empty() && !forms.iter().any(|form| form.bytes == bytes) {
            forms.push(Form { bytes, secret, shares_before, shares_after });
        }
    };
    add(value.to_vec(), false, false);
    // Of a value that ends in a line break services give back the rest.
    add(value.trim_ascii().to_vec(), false, false);
    if value.contains(&b' ') {
        add(value.iter().map(|b| if *b == b' ' { b'+' } else { *b }).collect(), false, false);
    }
    for offset in 0..3 {
        for digits in [base64(value, offset, true), base64(value, offset, false)] {
            if digits.len() >= DIGITS_MIN {
                let ends_between = !(offset + value.len()).is_multiple_of(3);
                add(digits, offset != 0, ends_between);
            }
        }
    }
    for case in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        add(hex(value, case), false, false);
    }
}

/// The digits that are of `value` alone where it stands `offset` bytes after a multiple of three.
fn base64(value: &[u8], offset: usize, is_standard: bool) -> Vec<u8> {
    let shifted = [[0; 2].get(..offset).unwrap_or_default(), value].concat();
    let text = if is_standard { STANDARD_NO_PAD.encode(&shifted) } else { URL_SAFE_NO_PAD.encode(&shifted) };
    // A digit is six bits: from the first that begins within the value to the last that ends within it.
    let (first, end) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
    text.as_bytes().get(first..end).unwrap_or_default().to_vec()
}

fn hex(value: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    value.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

impl Form {
    /// The place of an occurrence, with the digits beside it that hold bits of the secret.
    pub(super) fn widened(&self, found: Range<usize>, text: &[u8]) -> Range<usize> {
        let is_digit = |at: usize| {
            text.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
        };
        let before = self.shares_before && found.start > 0 && is_digit(found.start - 1);
        let after = self.shares_after && is_digit(found.end);
        found.start - usize::from(before)..found.end + usize::from(after)
    }
}
