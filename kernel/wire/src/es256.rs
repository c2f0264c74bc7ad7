//! ECDSA on P-256 with SHA-256 (`ES256`, RFC 7518 section 3.4): keys, signatures of 64 bytes `r || s`.
//!
//! Keys and signing are p256's; verification is ring's, four times as fast, and the tests hold the two against each
//! other. For every valid (r, s) the pair (r, n - s) verifies too: what we issue is low-S and only low-S is taken
//! back ([`VerifyingKey::verify_low_s`]), what others sign may be either ([`VerifyingKey::verify`]), so nothing may
//! be keyed by signature bytes.

use p256::ecdsa::signature::Signer;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey as _, EncodePrivateKey, LineEnding};
use zeroize::Zeroizing;

/// `r || s`, both 32 bytes big-endian.
pub type Signature = [u8; 64];

/// A key that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Zero or at least the group order: one draw in 2^32.
    #[error("expected 32 bytes that are a p-256 scalar, draw again")]
    Scalar,
    /// Not `BEGIN PRIVATE KEY` with a P-256 key inside.
    #[error("expected a p-256 private key as pkcs#8 pem")]
    Pkcs8,
    /// Not `BEGIN PUBLIC KEY` with a P-256 key inside.
    #[error("expected a p-256 public key as pem")]
    Public,
    /// Not an uncompressed point on the curve.
    #[error("expected a point on p-256")]
    Point,
}

/// The signature is not this key's over this message, or not in the form demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Another key, another message, or r or s out of range.
    #[error("expected a signature by this key over this message")]
    Invalid,
    /// s is above n / 2.
    #[error("expected the low-s form of the signature")]
    HighS,
}

/// A private key. Erased when dropped; has no `Debug`.
#[derive(Clone)]
pub struct SigningKey(p256::ecdsa::SigningKey);

impl SigningKey {
    /// The key whose scalar is `entropy`, big-endian: 32 bytes from a cryptographic source, used for nothing else.
    ///
    /// # Errors
    /// [`KeyError::Scalar`] for a value outside `1..n`: draw new bytes (rejection keeps the choice uniform).
    pub fn from_entropy(entropy: &[u8; 32]) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_slice(entropy).map(Self).map_err(|_| KeyError::Scalar)
    }

    /// Reads `-----BEGIN PRIVATE KEY-----` (RFC 5958, unencrypted).
    ///
    /// # Errors
    /// [`KeyError::Pkcs8`] for anything else, keys of other curves included.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Pkcs8)
    }

    /// Writes `-----BEGIN PRIVATE KEY-----` with `\n` line ends.
    ///
    /// # Errors
    /// [`KeyError::Pkcs8`] if the encoder fails.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Pkcs8)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::of_point(self.0.verifying_key())
    }

    /// Signs SHA-256 of `message`, deterministically (RFC 6979), in low-S form.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        signature.normalize_s().to_bytes().into()
    }

    /// The scalar, big-endian, for handing the key to `jsonwebtoken`.
    pub(crate) fn scalar(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }
}

impl From<p256::ecdsa::SigningKey> for SigningKey {
    fn from(key: p256::ecdsa::SigningKey) -> Self {
        Self(key)
    }
}

impl From<&SigningKey> for p256::ecdsa::SigningKey {
    fn from(key: &SigningKey) -> Self {
        key.0.clone()
    }
}

/// A public key: a point on the curve, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey {
    // Invariant: 0x04 || x || y, on the curve (SEC 1 section 2.3.3).
    point: [u8; 65],
}

impl VerifyingKey {
    /// The point with these affine coordinates, big-endian.
    ///
    /// # Errors
    /// [`KeyError::Point`] if it is not on the curve.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| KeyError::Point)?;
        Ok(Self { point })
    }

    /// Reads `-----BEGIN PUBLIC KEY-----` (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// [`KeyError::Public`] for anything else, keys of other curves included.
    pub fn from_public_key_pem(pem: &str) -> Result<Self, KeyError> {
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem).map_err(|_| KeyError::Public)?;
        Ok(Self::of_point(&key))
    }

    /// The uncompressed point `0x04 || x || y`.
    pub fn as_point(&self) -> &[u8; 65] {
        &self.point
    }

    /// The affine x coordinate, big-endian.
    pub fn x(&self) -> &[u8] {
        &self.point[1..33]
    }

    /// The affine y coordinate, big-endian.
    pub fn y(&self) -> &[u8] {
        &self.point[33..]
    }

    /// Whether `signature`, in either form, is this key's over `message`.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] if it is not.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        verify_point(&self.point, message, signature)
    }

    /// As [`Self::verify`], for signatures that we issued ourselves.
    ///
    /// # Errors
    /// [`SignatureError::HighS`] for the second form as well.
    pub fn verify_low_s(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        require_low_s(signature)?;
        self.verify(message, signature)
    }

    fn of_point(key: &p256::ecdsa::VerifyingKey) -> Self {
        let mut point = [0; 65];
        point.copy_from_slice(key.to_sec1_point(false).as_bytes());
        Self { point }
    }
}

/// Refuses (r, s) with s > n / 2.
pub(crate) fn require_low_s(signature: &Signature) -> Result<(), SignatureError> {
    if signature[32..] > HALF_ORDER[..] { Err(SignatureError::HighS) } else { Ok(()) }
}

/// ring checks the length of the signature, the ranges of r and s, and that the point is on the curve.
pub(crate) fn verify_point(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point)
        .verify(message, signature)
        .map_err(|_| SignatureError::Invalid)
}

/// (n - 1) / 2, n being the order of the group (SP 800-186 section 3.2.1.3).
const HALF_ORDER: [u8; 32] = [
    0x7F, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00, 0x00, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xDE,
    0x73, 0x7D, 0x56, 0xD3, 0x8B, 0xCF, 0x42, 0x79, 0xDC, 0xE5, 0x61, 0x7E, 0x31, 0x92, 0xA8,
];

/// The other valid form of a signature: (r, n - s).
#[cfg(test)]
pub(crate) fn malleate(signature: &Signature) -> Signature {
    let parsed = p256::ecdsa::Signature::from_slice(signature).unwrap();
    p256::ecdsa::Signature::from_scalars(parsed.r(), -parsed.s()).unwrap().to_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::signature::Verifier;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_entropy(&[seed; 32]).unwrap()
    }

    /// What p256 says to the same question.
    fn oracle(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_point()).unwrap();
        p256::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok())
    }

    #[test]
    fn scalars_outside_the_group_are_rejected() {
        assert_eq!(SigningKey::from_entropy(&[0; 32]).err(), Some(KeyError::Scalar));
        assert_eq!(SigningKey::from_entropy(&[0xFF; 32]).err(), Some(KeyError::Scalar));
        assert!(SigningKey::from_entropy(&HALF_ORDER).is_ok());
    }

    #[test]
    fn a_key_survives_its_pem_form() {
        let pem = key(7).to_pkcs8_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let read = SigningKey::from_pkcs8_pem(&pem).unwrap();
        assert_eq!(read.verifying_key(), key(7).verifying_key());
        assert_eq!(SigningKey::from_pkcs8_pem("-----BEGIN PRIVATE KEY-----").err(), Some(KeyError::Pkcs8));
    }

    #[test]
    fn signature_matches_rfc_6979_appendix_a_2_5_in_low_s_form() {
        let scalar = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let key = SigningKey::from_entropy(&scalar.try_into().unwrap()).unwrap();
        // "test" is printed with a low s, "sample" with a high one.
        let test = "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
                    019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083";
        let sample = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                      f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        assert_eq!(key.sign(b"test").to_vec(), hex(test));
        assert_eq!(malleate(&key.sign(b"sample")).to_vec(), hex(sample));
    }

    #[test]
    fn both_forms_verify_but_only_the_low_one_where_it_is_demanded() {
        let (public, low) = (key(1).verifying_key(), key(1).sign(b"m"));
        let high = malleate(&low);
        assert_eq!(public.verify(b"m", &low), Ok(()));
        assert_eq!(public.verify(b"m", &high), Ok(()));
        assert_eq!(public.verify_low_s(b"m", &low), Ok(()));
        assert_eq!(public.verify_low_s(b"m", &high), Err(SignatureError::HighS));
        assert_eq!(public.verify_low_s(b"n", &low), Err(SignatureError::Invalid));
    }

    #[test]
    fn low_s_ends_at_half_the_order() {
        let mut signature = [0; 64];
        signature[32..].copy_from_slice(&HALF_ORDER);
        assert_eq!(require_low_s(&signature), Ok(()));
        signature[63] += 1;
        assert_eq!(require_low_s(&signature), Err(SignatureError::HighS));
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let public = key(1).verifying_key();
        let x: [u8; 32] = public.x().try_into().unwrap();
        let mut y: [u8; 32] = public.y().try_into().unwrap();
        assert_eq!(VerifyingKey::from_coordinates(&x, &y), Ok(public));
        y[31] ^= 1;
        assert_eq!(VerifyingKey::from_coordinates(&x, &y), Err(KeyError::Point));
        assert_eq!(VerifyingKey::from_coordinates(&[0; 32], &[0; 32]), Err(KeyError::Point));
    }

    #[test]
    fn degenerate_signatures_are_refused() {
        let public = key(1).verifying_key();
        let good = key(1).sign(b"m");
        for bad in [&[0; 64][..], &[0xFF; 64], &good[..63], &[&good[..], &[0]].concat(), b""] {
            assert_eq!(public.verify(b"m", bad), Err(SignatureError::Invalid));
            assert!(!oracle(&public, b"m", bad));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn ring_and_p256_agree(
            // Thirty-two bytes of 0 or of 255 are no scalar of the group (above).
            seed in 1..=254_u8,
            message in proptest::collection::vec(any::<u8>(), 0..80),
            flip in proptest::option::of((0..64_usize, 0..8_u32)),
            high in any::<bool>(),
        ) {
            let mut signature = key(seed).sign(&message);
            prop_assert_eq!(require_low_s(&signature), Ok(()));
            if high {
                signature = malleate(&signature);
            }
            if let Some((byte, bit)) = flip {
                signature[byte] ^= 1 << bit;
            }
            let public = key(seed).verifying_key();
            let ours = public.verify(&message, &signature).is_ok();
            prop_assert_eq!(ours, flip.is_none());
            prop_assert_eq!(ours, oracle(&public, &message, &signature));
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }
}
