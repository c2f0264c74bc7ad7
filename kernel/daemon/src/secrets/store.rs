//! The file `secrets.age`: read whole, replaced whole, by whoever holds its identity.

use std::io::Read as _;
use std::path::PathBuf;

use age::x25519::Identity;
use latchgate_monitor::ports::Entropy;
use latchgate_wire::secret::{SecretName, SpecError};
use zeroize::Zeroizing;

use super::document::Document;
use super::identity::{self, Protection};
use crate::home::files::{FileError, private_dir, read_private, replace_private};
use crate::home::places::Places;

/// Why there is no store, or no change to it. Names secrets, never a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} is not an age identity; restore it from your backup")]
    NoIdentity(PathBuf),
    #[error("{store} is there and {identity}, which opens it, is not; restore that from your backup")]
    IdentityGone { store: PathBuf, identity: PathBuf },
    #[error("{0} takes a passphrase; name a file of mode 0600 that holds it as secrets.passphrase_file")]
    Locked(PathBuf),
    #[error("the passphrase does not open {0}")]
    Passphrase(PathBuf),
    #[error("{store} is not a whole file that {identity} opens; restore both from the same backup")]
    Unreadable { store: PathBuf, identity: PathBuf },
    #[error("the store's content is not what this version writes ({0}); restore it from your backup")]
    Content(String),
    #[error("the store has format {found} and this version reads up to {known}; install a newer latchgate")]
    Newer { found: u32, known: u32 },
    #[error("{0} is there already; nothing was changed")]
    Exists(PathBuf),
    #[error("there is no secret {0}")]
    Unknown(SecretName),
    #[error("secret {name}: {why}")]
    Refused { name: SecretName, why: SpecError },
    #[error("secret {0} is named twice")]
    Twice(SecretName),
    #[error("the store holds {0} secrets at most; remove one first")]
    Full(usize),
    #[error("{0}")]
    InUse(String),
    #[error("the store could not be made: {0}")]
    Fault(String),
}

/// The store as it was last read or written.
#[derive(Clone)]
pub struct Store {
    places: Places,
    /// Made with the first secret, unless `secrets init` made it.
    identity: Option<Identity>,
    pub document: Document,
}

impl Store {
    /// Reads the store; an empty one where there is none.
    ///
    /// # Errors
    /// Whatever is there and cannot be read: it is never taken for an empty one.
    pub fn open(
        places: &Places,
        passphrase: Option<&str>,
        entropy: &impl Entropy,
    ) -> Result<Self, SecretsError> {
        let (path, key) = (places.secrets_file(), places.secrets_identity());
        let is_there = std::fs::symlink_metadata(&path).is_ok();
        let identity = match identity::protection(places)? {
            Protection::Absent if is_there => {
                return Err(SecretsError::IdentityGone { store: path, identity: key });
            }
            Protection::Absent => None,
            Protection::File | Protection::Passphrase => Some(identity::open(places, passphrase)?),
        };
        let document = match &identity {
            Some(identity) if is_there => Document::read(&decrypted(places, identity)?)?,
            _ => Document::empty(entropy),
        };
        Ok(Self { places: places.clone(), identity, document })
    }

    /// The same store with another document, durable once this returns. The old one stands until then.
    ///
    /// # Errors
    /// If it cannot be written; what is on the disk is what was.
    pub fn replaced(&self, document: Document) -> Result<Self, SecretsError> {
        private_dir(&self.places.state_dir)?;
        private_dir(&self.places.keys_dir())?;
        let identity = match &self.identity {
            Some(identity) => identity.clone(),
            None => identity::make(&self.places, None)?,
        };
        let encrypted = age::encrypt(&identity.to_public(), &document.write()?);
        let encrypted = encrypted.map_err(|error| SecretsError::Fault(error.to_string()))?;
        replace_private(&self.places.secrets_file(), &encrypted)?;
        Ok(Self { places: self.places.clone(), identity: Some(identity), document })
    }
}

fn decrypted(places: &Places, identity: &Identity) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let path = places.secrets_file();
    let bytes = read_private(&path)?;
    let unreadable = || SecretsError::Unreadable { store: path.clone(), identity: places.secrets_identity() };
    let opened = age::Decryptor::new_buffered(&bytes[..]).map_err(|_| unreadable())?;
    let mut reader =
        opened.decrypt(std::iter::once(identity as &dyn age::Identity)).map_err(|_| unreadable())?;
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut text).map_err(|_| unreadable())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use latchgate_wire::secret::{NamedSecret, SecretSpec, SecretText};
    use latchgate_wire::time::Timestamp;

    use super::super::document::Change;
    use super::*;
    use crate::world::OsEntropy;

    fn home() -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let places = Places::at_home(dir.path());
        (dir, places)
    }

    fn open(places: &Places) -> Result<Store, SecretsError> {
        Store::open(places, None, &OsEntropy)
    }

    fn with_one(places: &Places) -> Store {
        let store = open(places).unwrap();
        let mut document = store.document.clone();
        let secret = SecretSpec::plain(SecretText::new("the value 123".into()));
        let change = Change::Set(vec![NamedSecret { name: "a".parse().unwrap(), secret }]);
        document.change(change, Timestamp::from_ms(0)).unwrap();
        store.replaced(document).unwrap()
    }

    fn value(store: &Store) -> &str {
        store.document.kept("a").unwrap().secret.value.expose()
    }

    #[test]
    fn what_was_set_is_read_again_and_both_files_are_private() {
        let (_dir, places) = home();
        with_one(&places);
        assert_eq!(value(&open(&places).unwrap()), "the value 123");
        for path in [places.secrets_file(), places.secrets_identity()] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{path:?}");
            assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("the value"));
        }
    }

    #[test]
    fn a_store_that_is_torn_altered_or_anothers_is_refused_and_never_empty() {
        let (_dir, places) = home();
        with_one(&places);
        let whole = fs::read(places.secrets_file()).unwrap();
        let mut altered = whole.clone();
        *altered.last_mut().unwrap() ^= 1;
        for bytes in [&whole[..whole.len() - 1], &whole[..40], &[], &altered] {
            fs::write(places.secrets_file(), bytes).unwrap();
            assert!(matches!(open(&places), Err(SecretsError::Unreadable { .. })), "{}", bytes.len());
        }
        fs::write(places.secrets_file(), &whole).unwrap();
        assert!(open(&places).is_ok());
        let (_other, others) = home();
        with_one(&others);
        fs::copy(others.secrets_identity(), places.secrets_identity()).unwrap();
        assert!(matches!(open(&places), Err(SecretsError::Unreadable { .. })));
        fs::remove_file(places.secrets_identity()).unwrap();
        assert!(matches!(open(&places), Err(SecretsError::IdentityGone { .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        for path in [Places::secrets_file, Places::secrets_identity] {
            let (_dir, places) = home();
            with_one(&places);
            let path = path(&places);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let Err(error) = open(&places) else { panic!("taken") };
            assert!(error.to_string().ends_with(&format!("run: chmod 0600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn a_sealed_identity_opens_with_its_passphrase_and_no_other() {
        let (_dir, places) = home();
        let store = with_one(&places);
        identity::seal(&places, store.identity.as_ref().unwrap(), "correct horse battery").unwrap();
        assert!(matches!(open(&places), Err(SecretsError::Locked(_))));
        let with = |passphrase| Store::open(&places, Some(passphrase), &OsEntropy);
        assert!(matches!(with("wrong horse battery"), Err(SecretsError::Passphrase(_))));
        assert_eq!(value(&with("correct horse battery").unwrap()), "the value 123");
    }
}
