//! Cosignatures (C2SP tlog-cosignature, Ed25519): a witness has seen this checkpoint, and that it continues those it saw before.
//!
//! ```text
//! cosignature/v1\ntime <POSIX seconds>\n<text of the checkpoint>      is what is signed
//! — <name> base64(key ID || seconds, 64 bit big-endian || signature)  is the line that the note gets
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The type of these signatures in key IDs and verifier keys.
const TYPE: u8 = 4;

/// The note with the witness's line behind those that it has. A line of the same witness is replaced.
pub fn cosign(note: &str, name: &str, key: &SigningKey, at_s: u64) -> Option<String> {
    let text = text(note)?;
    let signature = key.sign(message(text, at_s).as_bytes()).to_bytes();
    let id = key_id(name, &key.verifying_key());
    let blob = [&id[..], &at_s.to_be_bytes(), &signature].concat();
    let own = format!("\u{2014} {name} {}", BASE64.encode(id));
    // Base64 of the first three bytes of the ID does not depend on what follows.
    let prefix: String = own.chars().take(own.chars().count() - 4).collect();
    let kept = note.lines().filter(|line| prefix.is_empty() || !line.starts_with(&prefix));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    Some(format!("{kept}\u{2014} {name} {}\n", BASE64.encode(blob)))
}

/// When that witness saw this checkpoint, in POSIX seconds; `None` if there is no valid cosignature of its key.
pub fn verify(note: &str, name: &str, key: &VerifyingKey) -> Option<u64> {
    let text = text(note)?;
    let id = key_id(name, key);
    note.lines().find_map(|line| {
        let (of, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = BASE64.decode(blob).ok().filter(|blob| of == name && blob.len() == 76)?;
        let (found, rest) = blob.split_first_chunk::<4>()?;
        let (at_s, signature) = rest.split_first_chunk::<8>()?;
        let at_s = u64::from_be_bytes(*at_s);
        let signature = Signature::from_slice(signature).ok()?;
        let is_valid = *found == id && key.verify_strict(message(text, at_s).as_bytes(), &signature).is_ok();
        is_valid.then_some(at_s)
    })
}

/// The verifier key of a witness, as signed-note writes them.
pub fn verifier_key(name: &str, key: &VerifyingKey) -> String {
    let id: String = key_id(name, key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}+{id}+{}", BASE64.encode([&[TYPE], &key.as_bytes()[..]].concat()))
}

/// Reads what [`verifier_key`] writes.
pub fn parse_verifier_key(text: &str) -> Option<(String, VerifyingKey)> {
    let mut parts = text.trim().splitn(3, '+');
    let (name, _, blob) = (parts.next()?, parts.next()?, BASE64.decode(parts.next()?).ok()?);
    let (kind, key) = blob.split_first()?;
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok().filter(|_| *kind == TYPE)?;
    (verifier_key(name, &key) == text.trim()).then(|| (name.to_owned(), key))
}

/// Key names are not empty and hold no space and no `+` (signed-note).
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn text(note: &str) -> Option<&str> {
    let end = note.find("\n\n")?;
    note.get(..=end)
}

fn message(text: &str, at_s: u64) -> String {
    format!("cosignature/v1\ntime {at_s}\n{text}")
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', TYPE]);
    hash.update(key.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn note() -> String {
        Checkpoint { origin: "latchgate/01TEST".into(), size: 7, root: [9; 32] }.sign(&key(1))
    }

    #[test]
    fn a_cosigned_note_is_the_log_s_and_the_witness_s() {
        let cosigned = cosign(&note(), "witness.example/w", &key(2), 1_700_000_000).unwrap();
        assert!(cosigned.starts_with(&note()));
        assert!(Checkpoint::open(&cosigned, &key(1).verifying_key()).is_ok());
        let seen = |name: &str, seed: u8| verify(&cosigned, name, &key(seed).verifying_key());
        assert_eq!(seen("witness.example/w", 2), Some(1_700_000_000));
        assert_eq!((seen("witness.example/v", 2), seen("witness.example/w", 3)), (None, None));
        for forged in [cosigned.replace("\n7\n", "\n8\n"), cosigned.replace("01TEST", "01TESS")] {
            assert_eq!(verify(&forged, "witness.example/w", &key(2).verifying_key()), None);
        }
    }

    #[test]
    fn a_witness_has_one_line_and_others_keep_theirs() {
        let once = cosign(&note(), "w", &key(2), 1).unwrap();
        let both = cosign(&once, "v", &key(3), 2).unwrap();
        let again = cosign(&both, "w", &key(2), 3).unwrap();
        assert_eq!(again.lines().count(), both.lines().count());
        assert_eq!(verify(&again, "w", &key(2).verifying_key()), Some(3));
        assert_eq!(verify(&again, "v", &key(3).verifying_key()), Some(2));
    }

    /// The example of the specification.
    #[test]
    fn the_published_cosignature_has_the_form_that_is_read() {
        let line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
        let blob = BASE64.decode(line).unwrap();
        assert_eq!(blob.len(), 76);
        assert_eq!(u64::from_be_bytes(blob[4..12].try_into().unwrap()), 1_679_315_147);
    }

    #[test]
    fn a_verifier_key_is_read_as_it_is_written() {
        let text = verifier_key("w/1", &key(2).verifying_key());
        assert_eq!(parse_verifier_key(&text), Some(("w/1".into(), key(2).verifying_key())));
        assert_eq!(parse_verifier_key(&text.replace("w/1", "w/2")), None);
    }
}
