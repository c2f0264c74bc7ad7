//! Another key for the ledger: durable beside the old one first, then the entry that both sign, then in its place.
//!
//! The old private key is gone afterwards. After a crash between the steps the log says which of the two it is.

use ed25519_dalek::SigningKey;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::Entropy as _;
use latchgate_wire::api::KeyRotation;
use latchgate_wire::keychain;

use super::blocking;
use crate::gate::Gate;
use crate::home::keys;
use crate::people::operators::Operated;

/// Makes a key and hands the log over to it.
///
/// # Errors
/// 403 for whoever is no admin by the log.
pub async fn rotate(gate: &Gate, operated: Operated) -> Result<KeyRotation, Denial> {
    // One change is whole before the next begins.
    let _changing = gate.people.lock().await;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    gate.world.entropy.fill(seed.as_mut());
    let key = SigningKey::from_bytes(&seed);
    let fault = |error: keys::KeyError| Denial::fault(error.to_string());
    let (places, next) = (gate.places.clone(), key.clone());
    blocking(move || keys::keep_next(&places, &next)).await?.map_err(fault)?;
    let old = *gate.world.ledger.keychain().last();
    let rotated = gate.world.ledger.rotate(key.clone(), operated.signed()).await;
    let places = gate.places.clone();
    let committed = match rotated {
        Ok(committed) => committed,
        Err(error) => {
            blocking(move || keys::drop_next(&places)).await?.map_err(fault)?;
            return Err(error.into());
        }
    };
    let new = key.verifying_key();
    blocking(move || keys::install_next(&places, &key)).await?.map_err(fault)?;
    // So that what clients see next is the new key's.
    super::bundle::checkpoint(gate).await?;
    Ok(KeyRotation { old_key: keychain::text(&old), new_key: keychain::text(&new), log_index: committed.seq })
}
