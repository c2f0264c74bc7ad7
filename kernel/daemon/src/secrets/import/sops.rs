//! SOPS files whose data key is encrypted to age: each value AES-256-GCM with its path as associated data, all of them
//! under one MAC (<https://getsops.io/docs/>, "Encryption protocol"; `sops.go` and `aes/cipher.go` of getsops/sops).
//!
//! A value that SOPS left as it is counts for the MAC and is not imported: it is no secret.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use age::x25519::Identity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchgate_wire::secret::SecretText;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::tree::{self, Leaf, Node, Step, walk};
use super::{ImportError, Values, decrypt};

/// The nonce has 32 bytes, unlike everywhere else.
type Cipher = AesGcm<Aes256, U32>;

const PREFIX: &str = "ENC[AES256_GCM,";
const METADATA: &str = "sops";

/// The values, after the MAC.
///
/// # Errors
/// Anything that is not as SOPS left it.
pub fn opened(document: &Node, identities: &[Identity]) -> Result<Values, ImportError> {
    let metadata = document.member(METADATA).ok_or(ImportError::NotSops)?;
    let cipher = cipher(metadata, identities)?;
    let mac_is_partial = matches!(metadata.member("mac_only_encrypted"), Some(Node::Leaf(Leaf::Flag(true))));
    let mut hash = Sha512::new();
    if mac_is_partial {
        hash.update(Sha256::digest(METADATA));
    }
    let Node::Mapping(members) = document else { return Err(ImportError::NotSops) };
    let mut values: Result<Values, ImportError> = Ok(Vec::new());
    for (name, node) in members.iter().filter(|(name, _)| name != METADATA) {
        walk(node, &mut vec![Step::Name(name)], &mut |path, leaf| {
            let Ok(found) = &mut values else { return };
            let sealed = leaf.text().filter(|text| text.starts_with(PREFIX));
            match sealed.map(|sealed| open(&cipher, sealed, &associated(path))) {
                None if mac_is_partial => {}
                None => hash.update(plain(leaf).as_bytes()),
                Some(Some(value)) => {
                    hash.update(value.expose().as_bytes());
                    found.push((tree::name(path), value));
                }
                Some(None) => values = Err(ImportError::Altered(tree::name(path))),
            }
        });
    }
    let values = values?;
    check_mac(&cipher, metadata, hash)?;
    Ok(values)
}

/// Binds a value to its place: the names on the way to it, each with a colon behind it. Places in a sequence are not among them.
fn associated(path: &[Step<'_>]) -> String {
    let names = path.iter().filter_map(|step| match step {
        Step::Name(name) => Some(format!("{name}:")),
        Step::Place(_) => None,
    });
    names.collect()
}

/// The key that one of the identities opens.
fn cipher(metadata: &Node, identities: &[Identity]) -> Result<Cipher, ImportError> {
    let is_shared = metadata.member("key_groups").is_some_and(|groups| !groups.items().is_empty());
    if is_shared {
        return Err(ImportError::Shared);
    }
    let recipients = metadata.member("age").map(Node::items).unwrap_or_default();
    if recipients.is_empty() {
        return Err(ImportError::NotForAge);
    }
    let sealed = recipients.iter().filter_map(|recipient| recipient.member("enc")?.text());
    let mut opened = sealed.filter_map(|sealed| decrypt::whole(sealed.as_bytes(), identities).ok());
    let key = opened.next().ok_or(ImportError::NoIdentity)?;
    Cipher::new_from_slice(&key).map_err(|_| ImportError::NoIdentity)
}

/// The upper-case hex digits of SHA-512 over the values, encrypted with the time of the last change as associated data.
fn check_mac(cipher: &Cipher, metadata: &Node, hash: Sha512) -> Result<(), ImportError> {
    let text = |name: &str| metadata.member(name).and_then(Node::text).ok_or(ImportError::Mac);
    let expected = open(cipher, text("mac")?, text("lastmodified")?).ok_or(ImportError::Mac)?;
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
    if bool::from(found.as_bytes().ct_eq(expected.expose().as_bytes())) {
        Ok(())
    } else {
        Err(ImportError::Mac)
    }
}

/// `ENC[AES256_GCM,data:..,iv:..,tag:..,type:..]`, each in base64.
fn open(cipher: &Cipher, sealed: &str, associated: &str) -> Option<SecretText> {
    let parts = sealed.strip_prefix(PREFIX)?.strip_suffix(']')?;
    let (data, rest) = parts.strip_prefix("data:")?.split_once(",iv:")?;
    let (iv, rest) = rest.split_once(",tag:")?;
    let (tag, _type) = rest.split_once(",type:")?;
    let [mut data, iv, tag] = [data, iv, tag].map(|part| STANDARD.decode(part).ok());
    let (data, iv) = (data.as_mut()?, iv.filter(|iv| iv.len() == 32)?);
    data.extend(tag.filter(|tag| tag.len() == 16)?);
    let payload = Payload { msg: data, aad: associated.as_bytes() };
    let bytes = Zeroizing::new(cipher.decrypt(GenericArray::from_slice(&iv), payload).ok()?);
    Some(SecretText::new(std::str::from_utf8(&bytes).ok()?.to_owned()))
}

/// A value as it counts for the MAC where it was not encrypted.
fn plain(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Text(text) => text.to_string(),
        Leaf::Flag(true) => "True".into(),
        Leaf::Flag(false) => "False".into(),
        Leaf::Null => String::new(),
        Leaf::Bare(text) if text.contains('.') => {
            text.parse::<f64>().map_or_else(|_| text.to_string(), |number| number.to_string())
        }
        Leaf::Bare(text) => text.to_string(),
    }
}
