//! How bytes of unknown kind become JSON: as text where they are text, as base64 where not.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The member name and its value: `("text", ...)` if `bytes` are UTF-8, else `("base64", ...)`, RFC 4648
/// section 4 with padding. No byte is lost or replaced either way.
pub fn text_or_base64(bytes: Vec<u8>) -> (&'static str, String) {
    match String::from_utf8(bytes) {
        Ok(text) => ("text", text),
        Err(error) => ("base64", STANDARD.encode(error.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_stays_text_and_anything_else_becomes_base64() {
        let cases: [(&[u8], &str, &str); 4] = [
            (b"", "text", ""),
            ("grün\0".as_bytes(), "text", "grün\0"),
            (b"\xff", "base64", "/w=="),
            (b"ok\xc3", "base64", "b2vD"),
        ];
        for (bytes, name, value) in cases {
            assert_eq!(text_or_base64(bytes.to_vec()), (name, value.to_owned()), "{bytes:?}");
        }
    }
}
