//! An age file, armoured or not, opened with one of several identities.

use std::io::Read as _;

use age::armor::ArmoredReader;
use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use zeroize::Zeroizing;

use super::ImportError;

/// # Errors
/// If no identity opens it, or it is not whole.
pub fn whole(file: &[u8], identities: &[Identity]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let opened = Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|_| ImportError::NotAge)?;
    let each = identities.iter().map(|identity| identity as &dyn age::Identity);
    let mut reader = opened.decrypt(each).map_err(|error| match error {
        DecryptError::NoMatchingKeys => ImportError::NoIdentity,
        _ => ImportError::NotAge,
    })?;
    // Whole from the beginning: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut text).map_err(|_| ImportError::NotAge)?;
    Ok(text)
}
