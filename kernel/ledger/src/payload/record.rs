//! One sealed payload: a key of its own, wrapped in a slot that can be zeroed.
//!
//! ```text
//! record     "LGP1" | body length u32 LE | key slot 60 | body | tag 16
//! key slot   nonce 12 | AES-256-GCM(master key, record key) 32 + 16
//! ```
//!
//! The body is sealed with the record's random key, which seals nothing else, so its nonce is zero. Both seals name the
//! record's place, magic and length: what was moved or exchanged does not open.

use latchgate_monitor::ports::PayloadError;
use latchgate_wire::receipt::PayloadAt;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// The largest payload.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const MAGIC: &[u8; 4] = b"LGP1";
/// Magic and length.
const FIXED_LEN: usize = 8;
pub const TAG_LEN: usize = 16;
pub const SLOT_LEN: usize = NONCE_LEN + 32 + TAG_LEN;
/// Where the key slot is in the record.
pub const SLOT_AT: usize = FIXED_LEN;
/// What precedes the body.
pub const HEAD_LEN: usize = FIXED_LEN + SLOT_LEN;

/// The key that wraps the keys of all records.
pub struct MasterKey(LessSafeKey);

impl MasterKey {
    pub fn new(key: &[u8; 32]) -> Result<Self, PayloadError> {
        Ok(Self(aead_key(key)?))
    }

    /// The whole record for this place.
    pub fn seal(&self, at: PayloadAt, bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let mut random = Zeroizing::new([0; NONCE_LEN + 32]);
        getrandom::fill(&mut random[..]).map_err(failed)?;
        let (nonce, record_key) = random.split_at(NONCE_LEN);
        let fixed = fixed(bytes.len())?;
        let aad = aad(at, fixed);
        let mut wrapped = Zeroizing::new(record_key.to_vec());
        let wrap_nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
        let wrap_tag =
            self.0.seal_in_place_separate_tag(wrap_nonce, Aad::from(aad), &mut wrapped).map_err(failed)?;
        let mut record = Vec::with_capacity(HEAD_LEN + bytes.len() + TAG_LEN);
        for part in [&fixed[..], nonce, &wrapped, wrap_tag.as_ref(), bytes] {
            record.extend_from_slice(part);
        }
        let key = aead_key(record_key)?;
        let tag = key
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(aad), &mut record[HEAD_LEN..])
            .map_err(failed)?;
        record.extend_from_slice(tag.as_ref());
        Ok(record)
    }

    /// The payload in a sealed body (with its tag).
    pub fn unseal(&self, head: &Head, mut body: Vec<u8>) -> Result<Vec<u8>, PayloadError> {
        let altered =
            || PayloadError::Failed(format!("the payload at {} was altered or is another ledger's", head.at));
        let (fixed, slot) = head.bytes.split_first_chunk::<FIXED_LEN>().ok_or_else(altered)?;
        let aad = aad(head.at, *fixed);
        let (nonce, wrapped) = slot.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
        let mut wrapped = Zeroizing::new(wrapped.to_vec());
        let record_key = self.0.open_in_place(nonce, Aad::from(aad), &mut wrapped).map_err(|_| altered())?;
        let key = aead_key(record_key)?;
        let len = key.open_in_place(zero_nonce(), Aad::from(aad), &mut body).map_err(|_| altered())?.len();
        body.truncate(len);
        Ok(body)
    }
}

/// What precedes the body of a record.
pub struct Head {
    at: PayloadAt,
    bytes: [u8; HEAD_LEN],
    /// Of the payload, without tag.
    pub body_len: usize,
}

impl Head {
    /// # Errors
    /// [`PayloadError::Gone`] if nothing was ever written there, or the key was destroyed.
    pub fn read(at: PayloadAt, bytes: [u8; HEAD_LEN]) -> Result<Self, PayloadError> {
        let is_forgotten = bytes[SLOT_AT..].iter().all(|byte| *byte == 0);
        if bytes[..MAGIC.len()] != *MAGIC || is_forgotten {
            return Err(PayloadError::Gone(at));
        }
        let body_len = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        if body_len > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::Failed(format!(
                "the payload at {at} says that it has {body_len} bytes"
            )));
        }
        Ok(Self { at, bytes, body_len })
    }
}

fn fixed(body_len: usize) -> Result<[u8; FIXED_LEN], PayloadError> {
    let [a, b, c, d] = u32::try_from(body_len).map_err(failed)?.to_le_bytes();
    Ok([MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], a, b, c, d])
}

/// What both seals are bound to.
fn aad(at: PayloadAt, fixed: [u8; FIXED_LEN]) -> [u8; 20] {
    let mut aad = [0; 20];
    aad[..4].copy_from_slice(&at.segment.to_be_bytes());
    aad[4..12].copy_from_slice(&at.offset.to_be_bytes());
    aad[12..].copy_from_slice(&fixed);
    aad
}

fn aead_key(bytes: &[u8]) -> Result<LessSafeKey, PayloadError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(failed)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

pub fn failed(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::Failed(error.to_string())
}
