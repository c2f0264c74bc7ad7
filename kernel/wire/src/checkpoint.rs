//! Checkpoints: the size and root of the log, signed as a C2SP signed note (tlog-checkpoint).
//!
//! ```text
//! <origin>\n<size>\n<base64 root>\n\n— <origin> <base64(key hash || signature)>\n
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::merkle::Hash;

/// The state of a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: no space, no `+`, no line break.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

/// Why a text is no checkpoint of that key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    #[error("expected a signed note of three lines, a blank line and a signature")]
    Format,
    #[error("no signature by the key given for `{0}`")]
    Unsigned(String),
    #[error("the signature does not match the text")]
    Signature,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// The root in base64, as the note has it.
    pub fn root_text(&self) -> String {
        BASE64.encode(self.root)
    }

    /// The signed note. The key's name in it is the origin.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let mut blob = key_hash(&self.origin, &key.verifying_key()).to_vec();
        blob.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.origin, BASE64.encode(blob))
    }

    /// Reads a signed note and checks the signature made by `key` under the note's own origin. Signatures by other
    /// keys (witnesses) are passed over, as signed-note demands.
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(CheckpointError::Format)?;
        let text = format!("{text}\n");
        let checkpoint = Self::parse(&text)?;
        let expected = key_hash(&checkpoint.origin, key);
        for line in signatures.lines() {
            let Some(blob) = signature_blob(line, &checkpoint.origin) else { continue };
            if blob.len() != 68 || blob[..4] != expected {
                continue;
            }
            let signature =
                ed25519_dalek::Signature::from_slice(&blob[4..]).map_err(|_| CheckpointError::Signature)?;
            key.verify_strict(text.as_bytes(), &signature).map_err(|_| CheckpointError::Signature)?;
            return Ok(checkpoint);
        }
        Err(CheckpointError::Unsigned(checkpoint.origin))
    }

    /// What a history keeps of a note: `<size> <base64 root> <base64(key ID || signature)>` and a line break, with the signature that
    /// is the log's own. `None` for what is no signed note.
    pub fn line(note: &str) -> Option<String> {
        let said = Self::read_unverified(note).ok()?;
        let (_, signatures) = note.split_once("\n\n")?;
        let blob = signatures.lines().find_map(|line| signature_blob(line, &said.origin))?;
        Some(format!("{} {} {}\n", said.size, said.root_text(), BASE64.encode(blob)))
    }

    /// What a line (without its break) of the history of that log says, and the note that it was. Nothing is checked yet.
    pub fn of_line(origin: &str, line: &str) -> Option<(Self, String)> {
        let (text, blob) = line.rsplit_once(' ')?;
        let (size, root) = text.split_once(' ')?;
        let note = format!("{origin}\n{size}\n{root}\n\n\u{2014} {origin} {blob}\n");
        let said = Self::read_unverified(&note).ok()?;
        (signature_blob(note.lines().last()?, origin)?.len() == 68).then_some((said, note))
    }

    /// What a note says, signed by whomever.
    pub fn read_unverified(note: &str) -> Result<Self, CheckpointError> {
        let (text, _) = note.split_once("\n\n").ok_or(CheckpointError::Format)?;
        Self::parse(&format!("{text}\n"))
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(CheckpointError::Format);
        let (origin, size, root) = (line()?.to_owned(), line()?, line()?);
        let number: u64 = size.parse().map_err(|_| CheckpointError::Format)?;
        let root = BASE64.decode(root).ok().and_then(|r| r.try_into().ok()).ok_or(CheckpointError::Format)?;
        let usable = !origin.is_empty() && !origin.contains([' ', '+']) && number.to_string() == size;
        if !usable {
            return Err(CheckpointError::Format);
        }
        Ok(Self { origin, size: number, root })
    }
}

fn signature_blob(line: &str, origin: &str) -> Option<Vec<u8>> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if name != origin {
        return None;
    }
    BASE64.decode(blob).ok()
}

/// signed-note: SHA-256(name || 0x0A || 0x01 || public key), first four bytes; 0x01 is Ed25519.
fn key_hash(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', 1]);
    hash.update(key.as_bytes());
    let hash: Hash = hash.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "latchgate/01TEST".into(), size: 7, root: [9; 32] }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_key() {
        let note = checkpoint().sign(&key(1));
        assert_eq!(Checkpoint::open(&note, &key(1).verifying_key()), Ok(checkpoint()));
    }

    #[test]
    fn a_line_of_the_history_is_the_note_again() {
        let note = checkpoint().sign(&key(1));
        let line = Checkpoint::line(&note).unwrap();
        let line = line.strip_suffix('\n').unwrap();
        assert_eq!(Checkpoint::of_line("latchgate/01TEST", line), Some((checkpoint(), note)));
        let other = Checkpoint::of_line("latchgate/02TEST", line).unwrap().1;
        assert!(Checkpoint::open(&other, &key(1).verifying_key()).is_err(), "it is signed for its own log");
        for line in [
            "",
            "7",
            "7 x",
            "7 x y",
            &line[1..],
            &line[..line.len() - 5],
            &format!("{line} x"),
            &format!("0{line}"),
        ] {
            assert_eq!(Checkpoint::of_line("latchgate/01TEST", line), None, "{line}");
        }
        assert_eq!(Checkpoint::line("7"), None);
    }

    #[test]
    fn another_key_or_another_size_does_not_open() {
        let note = checkpoint().sign(&key(1));
        let other = Checkpoint::open(&note, &key(2).verifying_key());
        assert_eq!(other, Err(CheckpointError::Unsigned("latchgate/01TEST".into())));
        let forged = note.replace("\n7\n", "\n8\n");
        assert_eq!(Checkpoint::open(&forged, &key(1).verifying_key()), Err(CheckpointError::Signature));
    }

    #[test]
    fn a_note_with_more_signatures_still_opens() {
        let note = checkpoint().sign(&key(1)) + "\u{2014} witness.example AAAAAAAA\n";
        assert_eq!(Checkpoint::open(&note, &key(1).verifying_key()), Ok(checkpoint()));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for text in ["", "a\n1\nAA==\n", "a b\n1\n\n\n", "a\n01\nAAAA\n\n"] {
            assert!(Checkpoint::open(text, &key(1).verifying_key()).is_err(), "{text:?}");
        }
    }
}
