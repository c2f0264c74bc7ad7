//! The secrets of a running gate: egress asks for them by name, operators change them, the ledger learns their names.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchgate_egress::{Egress, Secret, Vault, VaultError};
use latchgate_ledger::Ledger;
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Clock as _, Commit, CommitError, Durability, Log as _};
use latchgate_wire::entry::{Body, SecretsChanged};
use latchgate_wire::ids::TraceId;
use latchgate_wire::problem::Code;
use latchgate_wire::secret::{NAMES_PER_CHANGE_MAX, SecretKind, SecretList, SecretName, SecretNote};

use super::document::{Change, Kept};
use super::store::{SecretsError, Store};
use super::tokens::Tokens;
use super::{need, renewal};
use crate::clock::GateClock;
use crate::home::places::Places;
use crate::people::operators::Operated;
use crate::world::OsEntropy;

/// Opened once at the start; what changes later comes through it.
pub struct Keeper(Arc<Held>);

/// What outlives a call that was given up: a token that was being renewed meanwhile is kept.
pub(super) struct Held {
    pub store: ArcSwap<Store>,
    /// One change is whole before the next begins.
    pub changing: tokio::sync::Mutex<()>,
    pub tokens: Tokens,
    pub clock: Arc<GateClock>,
}

impl Keeper {
    /// `egress`: of its own, for token endpoints.
    ///
    /// # Errors
    /// A store that is there and cannot be read.
    pub fn open(
        places: &Places,
        passphrase: Option<&str>,
        egress: Egress,
        clock: Arc<GateClock>,
    ) -> Result<Self, SecretsError> {
        let store = ArcSwap::from_pointee(Store::open(places, passphrase, &OsEntropy)?);
        let (changing, tokens) = (tokio::sync::Mutex::new(()), Tokens::new(egress));
        Ok(Self(Arc::new(Held { store, changing, tokens, clock })))
    }

    pub fn list(&self, catalog: &Catalog) -> SecretList {
        need::list(&self.0.store.load().document, catalog)
    }

    /// Whether there is a secret of that name. Whether it can be had, egress is told when it asks.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.store.load().document.kept(name).is_some()
    }

    /// What was changed while no gate ran, as entries, unless the log says so already.
    ///
    /// # Errors
    /// If the ledger takes no entries.
    pub async fn put_in_force(&self, ledger: &Ledger) -> Result<(), CommitError> {
        let _whole = self.0.changing.lock().await;
        let notes = self.0.store.load().document.notes();
        record(ledger, &notes, None, None).await
    }

    /// The file, then the entry, then what egress is given. If the ledger refuses, the file is as it was.
    ///
    /// # Errors
    /// What cannot be taken, by name.
    pub async fn change(
        &self,
        ledger: &Ledger,
        change: Change,
        by: &Operated,
        trace_id: TraceId,
    ) -> Result<(), Denial> {
        let _whole = self.0.changing.lock().await;
        let before = self.0.store.load_full();
        let mut document = before.document.clone();
        document.change(change, self.0.clock.now()).map_err(|error| refused(&error))?;
        let notes = document.notes();
        let after = on_disk({
            let before = Arc::clone(&before);
            move || before.replaced(document)
        });
        let after = after.await.map_err(|error| Denial::fault(error.to_string()))?;
        if let Err(error) = record(ledger, &notes, Some(by), Some(trace_id)).await {
            let restored = on_disk(move || before.replaced(before.document.clone())).await;
            restored.map_err(|error| Denial::fault(error.to_string()))?;
            return Err(error.into());
        }
        self.0.store.store(Arc::new(after));
        Ok(())
    }

    /// What an operator's change ends with, without a ledger.
    #[cfg(test)]
    pub fn take_up(&self, store: Store) {
        self.0.store.store(Arc::new(store));
    }

    async fn give(&self, name: &str) -> Result<Secret, VaultError> {
        let store = self.0.store.load_full();
        let kept = store.document.kept(name).ok_or_else(|| VaultError::Missing(name.to_owned()))?;
        match kept.secret.kind {
            SecretKind::Plain => Ok(bound(kept, kept.secret.value.expose())),
            SecretKind::Oauth2ClientCredentials | SecretKind::Oauth2Refresh => {
                renewal::fresh(&self.0, name).await
            }
        }
    }
}

impl Vault for Keeper {
    fn secret<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, VaultError>> + Send + 'a>> {
        Box::pin(self.give(name))
    }
}

/// A value for the hosts that the operator bound it to.
pub(super) fn bound(kept: &Kept, value: &str) -> Secret {
    Secret::new(value.as_bytes().to_vec()).bound_to(kept.secret.hosts.iter().cloned())
}

/// Encrypting and syncing block a thread.
pub(super) async fn on_disk(
    work: impl FnOnce() -> Result<Store, SecretsError> + Send + 'static,
) -> Result<Store, SecretsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SecretsError::Fault(error.to_string())))
}

/// The difference between the log and the store, in entries of a bounded size.
async fn record(
    ledger: &Ledger,
    notes: &BTreeMap<SecretName, SecretNote>,
    by: Option<&Operated>,
    trace_id: Option<TraceId>,
) -> Result<(), CommitError> {
    for (index, part) in parts(&ledger.secrets(), notes).into_iter().enumerate() {
        let body = Body::SecretsChanged(SecretsChanged {
            operator: by.map(|by| by.name().to_owned()),
            // A proof stands in one entry.
            proof: by.filter(|_| index == 0).map(Operated::proof),
            ..part
        });
        ledger.commit(Commit { trace_id, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}

fn parts(
    before: &BTreeMap<SecretName, SecretNote>,
    after: &BTreeMap<SecretName, SecretNote>,
) -> Vec<SecretsChanged> {
    let nobody =
        SecretsChanged { set: BTreeMap::new(), removed: BTreeSet::new(), operator: None, proof: None };
    let set: Vec<_> = after.iter().filter(|(name, note)| before.get(*name) != Some(*note)).collect();
    let removed: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
    let set = set.chunks(NAMES_PER_CHANGE_MAX).map(|part| SecretsChanged {
        set: part.iter().map(|(name, note)| ((*name).clone(), **note)).collect(),
        ..nobody.clone()
    });
    let removed = removed.chunks(NAMES_PER_CHANGE_MAX).map(|part| SecretsChanged {
        removed: part.iter().map(|name| (*name).clone()).collect(),
        ..nobody.clone()
    });
    set.chain(removed).collect()
}

/// Whose fault it is that a change is not made.
fn refused(error: &SecretsError) -> Denial {
    let denial = |code| Denial::new(code, error.to_string());
    match error {
        SecretsError::Unknown(_) => {
            denial(Code::NotFound).remedy("`latchgate secrets list` prints what there is")
        }
        SecretsError::Refused { .. } | SecretsError::Twice(_) | SecretsError::Full(_) => {
            denial(Code::BadRequest)
        }
        other => Denial::fault(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(names: impl IntoIterator<Item = (usize, u64)>) -> BTreeMap<SecretName, SecretNote> {
        let note = |(name, revision): (usize, u64)| {
            (
                format!("{name:064}").parse().unwrap(),
                SecretNote { kind: SecretKind::Oauth2ClientCredentials, revision },
            )
        };
        names.into_iter().map(note).collect()
    }

    #[test]
    fn the_log_learns_what_differs_and_nothing_else() {
        let before = notes([(1, 1), (2, 1), (3, 1)]);
        let after = notes([(1, 1), (2, 2), (4, 3)]);
        let parts = parts(&before, &after);
        assert_eq!(parts[0].set, notes([(2, 2), (4, 3)]));
        assert_eq!(parts[1].removed, notes([(3, 0)]).into_keys().collect());
        assert_eq!(parts.len(), 2);
        assert!(super::parts(&after, &after).is_empty());
    }

    #[test]
    fn an_entry_of_the_longest_names_fits_a_line() {
        let all = notes((0..1000).map(|name| (name, u64::MAX)));
        let parts = parts(&BTreeMap::new(), &all);
        assert_eq!(parts.len(), 5);
        let longest = parts.iter().map(|part| serde_json::to_vec(part).unwrap().len()).max().unwrap();
        assert!(longest < latchgate_wire::entry::LINE_BYTES_MAX / 2, "{longest}");
    }
}
