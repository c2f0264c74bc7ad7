//! Keys, from the bytes that a terminal sends.

use std::io::Read as _;
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

/// Keys that came together. A person presses one at a time; more of them are pasted text, which must decide nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed(pub Vec<Key>);

impl Pressed {
    /// The key, if it came alone.
    pub fn alone(&self) -> Option<Key> {
        match self.0.as_slice() {
            [key] => Some(*key),
            _ => None,
        }
    }
}

/// Reads stdin from now on, on a thread of its own that ends with the process. The channel closes with stdin.
pub fn read() -> UnboundedReceiver<Pressed> {
    let (sender, receiver) = unbounded_channel();
    thread::spawn(move || {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut buffer) {
            let pressed = decoder.decode(&buffer[..count]);
            if !pressed.0.is_empty() && sender.send(pressed).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Holds the beginning of a character whose other bytes come later.
#[derive(Default)]
struct Decoder {
    begun: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> Pressed {
        self.begun.extend_from_slice(bytes);
        let text = self.complete();
        if let Some(key) = sequence(&text) {
            return Pressed(vec![key]);
        }
        let keys: Vec<Key> = text.chars().filter_map(key).collect();
        let is_pasted = keys.len() > 1;
        let inert = |key| if is_pasted && key == Key::Enter { Key::Char(' ') } else { key };
        Pressed(keys.into_iter().map(inert).collect())
    }

    /// What is whole of what came; what is no UTF-8 is dropped.
    fn complete(&mut self) -> String {
        let mut text = String::new();
        let mut rest = std::mem::take(&mut self.begun);
        loop {
            match std::str::from_utf8(&rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    return text;
                }
                Err(error) => {
                    let (whole, tail) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    match error.error_len() {
                        Some(wrong) => rest = tail[wrong..].to_vec(),
                        None => {
                            self.begun = tail.to_vec();
                            return text;
                        }
                    }
                }
            }
        }
    }
}

/// Keys that terminals send as escape sequences (ECMA-48 section 5.4, and what terminals have made of it).
fn sequence(text: &str) -> Option<Key> {
    match text {
        "\u{1B}" => Some(Key::Escape),
        "\u{1B}[A" | "\u{1B}OA" => Some(Key::Up),
        "\u{1B}[B" | "\u{1B}OB" => Some(Key::Down),
        "\u{1B}[5~" => Some(Key::PageUp),
        "\u{1B}[6~" => Some(Key::PageDown),
        _ => None,
    }
}

fn key(c: char) -> Option<Key> {
    match c {
        '\r' | '\n' => Some(Key::Enter),
        '\u{7F}' | '\u{8}' => Some(Key::Backspace),
        '\u{3}' => Some(Key::Interrupt),
        '\u{1A}' => Some(Key::Suspend),
        c if c.is_control() => None,
        c => Some(Key::Char(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<Key> {
        Decoder::default().decode(text.as_bytes()).0
    }

    #[test]
    fn keys_are_told_apart() {
        for (text, key) in [
            ("a", Key::Char('a')),
            ("ä", Key::Char('ä')),
            ("\r", Key::Enter),
            ("\u{1B}", Key::Escape),
            ("\u{1B}[6~", Key::PageDown),
            ("\u{7F}", Key::Backspace),
            ("\u{3}", Key::Interrupt),
        ] {
            assert_eq!(decode(text), [key], "{text:?}");
        }
    }

    #[test]
    fn pasted_text_is_no_key_and_its_line_breaks_end_nothing() {
        let pressed = Pressed(decode("a\ny"));
        assert_eq!(pressed.alone(), None);
        assert_eq!(pressed.0, [Key::Char('a'), Key::Char(' '), Key::Char('y')]);
    }

    #[test]
    fn a_character_in_two_parts_is_one() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(&[0xC3]).0, []);
        assert_eq!(decoder.decode(&[0xA4]).0, [Key::Char('ä')]);
        assert_eq!(decoder.decode(&[0xFF, b'x']).0, [Key::Char('x')]);
    }
}
