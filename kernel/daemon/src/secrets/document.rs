//! What the store holds: a versioned document of names and values, and the one way it changes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use latchgate_monitor::ports::Entropy;
use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::secret::{NamedSecret, SecretInfo, SecretName, SecretNote, SecretSpec, SecretText};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::store::SecretsError;

/// The layout below. A newer one is refused, older ones are read.
const FORMAT: u32 = 1;
/// Values altogether: each start, and each answer of a service, goes through all that it concerns.
const SECRETS_MAX: usize = 1000;

/// The decrypted store. Its values are wiped when it is dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    format: u32,
    /// Keys the fingerprints: 32 random bytes, base64.
    fingerprint_key: SecretText,
    /// Of the last change.
    revision: u64,
    secrets: BTreeMap<SecretName, Kept>,
}

/// One secret, and which change it came with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub revision: u64,
    pub set_at: Timestamp,
    pub secret: SecretSpec,
}

/// What an operator wants to be different.
#[derive(Debug)]
pub enum Change {
    Set(Vec<NamedSecret>),
    Remove(SecretName),
}

/// Of a document that may be of another version.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl Document {
    pub fn empty(entropy: &impl Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(key.as_mut());
        let fingerprint_key = SecretText::new(STANDARD_NO_PAD.encode(*key));
        Self { format: FORMAT, fingerprint_key, revision: 0, secrets: BTreeMap::new() }
    }

    /// # Errors
    /// What is no document, or a newer one. The reason holds nothing of it.
    pub fn read(bytes: &[u8]) -> Result<Self, SecretsError> {
        let place = |error: serde_json::Error| {
            SecretsError::Content(format!("line {}, column {}", error.line(), error.column()))
        };
        let Versioned { format } = serde_json::from_slice(bytes).map_err(place)?;
        if format > FORMAT {
            return Err(SecretsError::Newer { found: format, known: FORMAT });
        }
        serde_json::from_slice(bytes).map_err(place)
    }

    /// As it is encrypted.
    pub fn write(&self) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        // Large enough from the beginning: a buffer that grows leaves copies behind.
        let values: usize = self.secrets.values().map(|kept| kept.secret.value.expose().len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(6 * values + 1024 * (self.secrets.len() + 1)));
        serde_json::to_writer(&mut *bytes, self).map_err(|error| SecretsError::Fault(error.to_string()))?;
        Ok(bytes)
    }

    pub fn kept(&self, name: &str) -> Option<&Kept> {
        self.secrets.get(name)
    }

    /// What the ledger is to say of it.
    pub fn notes(&self) -> BTreeMap<SecretName, SecretNote> {
        let note = |kept: &Kept| SecretNote { kind: kept.secret.kind, revision: kept.revision };
        self.secrets.iter().map(|(name, kept)| (name.clone(), note(kept))).collect()
    }

    /// Makes the change, whole or not at all.
    ///
    /// # Errors
    /// What cannot be taken: by name, never by value.
    pub fn change(&mut self, change: Change, now: Timestamp) -> Result<(), SecretsError> {
        match change {
            Change::Set(secrets) => self.set(secrets, now),
            Change::Remove(name) => {
                if self.secrets.remove(&name).is_none() {
                    return Err(SecretsError::Unknown(name));
                }
                self.revision += 1;
                Ok(())
            }
        }
    }

    fn set(&mut self, secrets: Vec<NamedSecret>, now: Timestamp) -> Result<(), SecretsError> {
        let mut names = BTreeSet::new();
        for NamedSecret { name, secret } in &secrets {
            let refused = |why| SecretsError::Refused { name: name.clone(), why };
            secret.check().map_err(refused)?;
            if !names.insert(name) {
                return Err(SecretsError::Twice(name.clone()));
            }
        }
        let new = names.iter().filter(|name| !self.secrets.contains_key(**name)).count();
        if self.secrets.len() + new > SECRETS_MAX {
            return Err(SecretsError::Full(SECRETS_MAX));
        }
        self.revision += 1;
        for NamedSecret { name, secret } in secrets {
            self.secrets.insert(name, Kept { revision: self.revision, set_at: now, secret });
        }
        Ok(())
    }

    /// Another refresh token in the place of the one it renewed; false if somebody set another secret meanwhile.
    pub fn renew(&mut self, name: &str, revision: u64, value: SecretText) -> bool {
        let kept = self.secrets.get_mut(name).filter(|kept| kept.revision == revision);
        kept.map(|kept| kept.secret.value = value).is_some()
    }

    /// What anybody may know of each; `needed_by` is for whoever knows the actions.
    pub fn infos(&self) -> Vec<SecretInfo> {
        let key = self.fingerprint_key();
        let info = |(name, kept): (&SecretName, &Kept)| SecretInfo {
            name: name.clone(),
            kind: kept.secret.kind,
            set_at: kept.set_at,
            fingerprint: fingerprint(&key, &kept.secret),
            hosts: kept.secret.hosts.clone(),
            token_url: kept.secret.source.as_ref().map(|source| source.token_url.clone()),
            dangerous_short: kept.secret.dangerous_short,
            needed_by: Vec::new(),
        };
        self.secrets.iter().map(info).collect()
    }

    /// Hashed, since a key that somebody wrote by hand may have any length.
    fn fingerprint_key(&self) -> HashKey {
        HashKey::new(&Zeroizing::new(Digest::of(self.fingerprint_key.expose().as_bytes()).0))
    }
}

fn fingerprint(key: &HashKey, secret: &SecretSpec) -> String {
    let digest = key.digest(&[secret.value.expose().as_bytes()]).to_string();
    digest.trim_start_matches("sha256:").chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::OsEntropy;

    fn named(name: &str, value: &str) -> NamedSecret {
        let secret = SecretSpec::plain(SecretText::new(value.into()));
        NamedSecret { name: name.parse().unwrap(), secret }
    }

    fn now() -> Timestamp {
        Timestamp::from_ms(1_800_000_000_000)
    }

    #[test]
    fn each_change_has_a_revision_of_its_own_and_a_refused_one_changes_nothing() {
        let mut document = Document::empty(&OsEntropy);
        document
            .change(Change::Set(vec![named("a", "first value 1"), named("b", "first value 2")]), now())
            .unwrap();
        document.change(Change::Set(vec![named("a", "second value")]), now()).unwrap();
        let revisions = |document: &Document| -> Vec<u64> {
            document.notes().values().map(|note| note.revision).collect()
        };
        assert_eq!(revisions(&document), [2, 1]);
        let refused = [
            Change::Set(vec![named("c", "good enough value"), named("d", "short")]),
            Change::Set(vec![named("c", "good enough value"), named("c", "good enough value")]),
            Change::Remove("z".parse().unwrap()),
        ];
        for change in refused {
            assert!(document.change(change, now()).is_err());
            assert_eq!(revisions(&document), [2, 1]);
        }
    }

    #[test]
    fn a_fingerprint_tells_equal_values_and_depends_on_the_store() {
        let of = |document: &mut Document| {
            document
                .change(Change::Set(vec![named("a", "the value 123"), named("b", "the value 123")]), now())
                .unwrap();
            let infos = document.infos();
            assert_eq!(infos[0].fingerprint, infos[1].fingerprint);
            infos[0].fingerprint.clone()
        };
        let (one, other) = (of(&mut Document::empty(&OsEntropy)), of(&mut Document::empty(&OsEntropy)));
        assert_ne!(one, other);
        assert_eq!(one.len(), 16);
    }

    #[test]
    fn a_newer_document_is_refused_with_the_version_and_a_broken_one_without_its_content() {
        let newer = br#"{"format":2,"whatever":"hunter2"}"#;
        assert!(matches!(Document::read(newer), Err(SecretsError::Newer { found: 2, known: 1 })));
        let broken = br#"{"format":1,"hunter2":"hunter2"}"#;
        let Err(error) = Document::read(broken) else { panic!("taken") };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut document = Document::empty(&OsEntropy);
        document.change(Change::Set(vec![named("a", "the value \"123\"\n")]), now()).unwrap();
        let read = Document::read(&document.write().unwrap()).unwrap();
        assert_eq!(read.kept("a").unwrap().secret.value.expose(), "the value \"123\"\n");
        assert_eq!(read.notes(), document.notes());
    }
}
