//! A token that is alive: the one that is held, or a new one, by one asker at a time.

use std::sync::Arc;

use latchgate_egress::{Secret, VaultError};
use latchgate_monitor::ports::Clock as _;
use latchgate_wire::secret::SecretText;
use latchgate_wire::time::Timestamp;

use super::document::Kept;
use super::keeper::{Held, bound, on_disk};
use super::tokens::{Failed, Slot};

/// A token under this name that has not ended. In a task of its own: a refresh token that an endpoint has replaced is not
/// lost with the call that asked.
pub async fn fresh(held: &Arc<Held>, name: &str) -> Result<Secret, VaultError> {
    let asked_at = held.clock.now();
    let work = {
        let (held, name) = (Arc::clone(held), name.to_owned());
        tokio::spawn(async move { alone(&held, &name, asked_at).await })
    };
    work.await.unwrap_or_else(|error| Err(unavailable(name, format!("the gate is at fault: {error}"))))
}

async fn alone(held: &Held, name: &str, asked_at: Timestamp) -> Result<Secret, VaultError> {
    let slot = held.tokens.slot(name);
    let mut slot = slot.lock().await;
    let store = held.store.load_full();
    let kept = store.document.kept(name).ok_or_else(|| VaultError::Missing(name.to_owned()))?;
    if slot.revision != kept.revision {
        // Of what was set before: neither its token nor its failure says anything of this one.
        *slot = Slot { revision: kept.revision, ..Slot::default() };
    }
    renewed(held, &mut slot, kept, asked_at).await.map_err(|reason| unavailable(name, reason))?;
    saved(held, &mut slot, name).await.map_err(|reason| unavailable(name, reason))?;
    match &slot.token {
        Some(token) if !token.has_ended(held.clock.now()) => Ok(bound(kept, token.value.expose())),
        _ => Err(unavailable(name, "the token endpoint gave a token that had ended".into())),
    }
}

/// The slot holds a token that has not ended, a new one if the old one is due.
async fn renewed(held: &Held, slot: &mut Slot, kept: &Kept, asked_at: Timestamp) -> Result<(), String> {
    let now = held.clock.now();
    if slot.token.as_ref().is_some_and(|token| !token.is_due(now)) {
        return Ok(());
    }
    let is_alive = slot.token.as_ref().is_some_and(|token| !token.has_ended(now));
    // Who asked while another one did shares what became of that.
    if let Some(failed) = slot.failed.as_ref().filter(|failed| failed.at >= asked_at && !is_alive) {
        return Err(failed.reason.clone());
    }
    let granted = match &slot.unsaved {
        None => held.tokens.fetch(kept, now).await,
        Some(newer) => held.tokens.fetch(&with(kept, newer.clone()), now).await,
    };
    match granted {
        Ok(granted) => {
            (slot.token, slot.failed) = (Some(granted.token), None);
            if let Some(newer) =
                granted.refresh_token.filter(|newer| is_renewable(kept) && is_another(kept, newer))
            {
                slot.unsaved = Some(newer);
            }
            Ok(())
        }
        Err(reason) => {
            tracing::warn!(%reason, "a token was not renewed");
            slot.failed = Some(Failed { at: held.clock.now(), reason: reason.clone() });
            if is_alive { Ok(()) } else { Err(reason) }
        }
    }
}

/// A refresh token that replaced another is on the disk before anything is done with what came with it.
async fn saved(held: &Held, slot: &mut Slot, name: &str) -> Result<(), String> {
    let Some(newer) = slot.unsaved.clone() else { return Ok(()) };
    let _whole = held.changing.lock().await;
    let before = held.store.load_full();
    let mut document = before.document.clone();
    if document.renew(name, slot.revision, newer) {
        let after = on_disk(move || before.replaced(document)).await;
        let after = after.map_err(|error| format!("the renewed refresh token was not kept: {error}"))?;
        held.store.store(Arc::new(after));
    }
    slot.unsaved = None;
    Ok(())
}

fn is_renewable(kept: &Kept) -> bool {
    kept.secret.kind == latchgate_wire::secret::SecretKind::Oauth2Refresh
}

fn with(kept: &Kept, value: SecretText) -> Kept {
    let mut newer = kept.clone();
    newer.secret.value = value;
    newer
}

fn unavailable(name: &str, reason: String) -> VaultError {
    VaultError::Unavailable { name: name.to_owned(), reason }
}

/// Most endpoints give the same one again.
fn is_another(kept: &Kept, newer: &SecretText) -> bool {
    kept.secret.value.expose() != newer.expose()
}

#[cfg(test)]
mod tests;
