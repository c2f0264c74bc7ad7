//! Secrets where no gate runs: the same store, changed under the lock that a gate would hold; the next start records it.

use latchgate_monitor::ports::Clock as _;
use latchgate_wire::secret::{SecretList, SecretText};

use super::document::Change;
use super::identity::{self, Protection};
use super::need;
use super::store::{SecretsError, Store};
use crate::clock::GateClock;
use crate::config::{Environment, Resolved};
use crate::home::files::private_dir;
use crate::home::places::Places;
use crate::http::listen;
use crate::setup::loading;
use crate::world::OsEntropy;

/// How the store's identity lies on the disk.
///
/// # Errors
/// One that others could read.
pub fn protection(places: &Places) -> Result<Protection, SecretsError> {
    identity::protection(places)
}

/// The file that `secrets.passphrase_file` names.
#[must_use]
pub fn passphrase_file(places: &Places) -> Option<std::path::PathBuf> {
    let resolved = Resolved::load(&places.config_file(), &Environment::of_process(), &[]).ok()?;
    resolved.config.secrets.passphrase_file
}

/// Makes the identity, under the passphrase if there is one.
///
/// # Errors
/// If there is one already.
pub fn init(places: &Places, passphrase: Option<&str>) -> Result<(), SecretsError> {
    private_dirs(places)?;
    if identity::protection(places)? != Protection::Absent {
        return Err(SecretsError::Exists(places.secrets_identity()));
    }
    // One that is there without its identity is not made useless by another one.
    Store::open(places, None, &OsEntropy)?;
    identity::make(places, passphrase).map(|_| ())
}

/// Puts the identity under a passphrase, or under another one.
///
/// # Errors
/// If the old one does not open it.
pub fn protect(places: &Places, old: Option<&str>, new: &str) -> Result<(), SecretsError> {
    identity::seal(places, &identity::open(places, old)?, new)
}

/// # Errors
/// What cannot be taken; a gate that runs, which makes the change itself when it is asked.
pub fn change(places: &Places, passphrase: Option<&str>, change: Change) -> Result<SecretList, SecretsError> {
    private_dirs(places)?;
    // One that agents may pass through is as it must be.
    if !places.run_dir.exists() {
        private_dir(&places.run_dir)?;
    }
    private_dir(&places.admin_dir())?;
    let _lock =
        listen::lock(&places.admin_socket()).map_err(|error| SecretsError::InUse(error.to_string()))?;
    let store = Store::open(places, passphrase, &OsEntropy)?;
    let mut document = store.document.clone();
    document.change(change, GateClock::start().now())?;
    let store = store.replaced(document)?;
    Ok(listed(places, &store))
}

/// What is set and what is missing.
///
/// # Errors
/// A store that cannot be read.
pub fn list(places: &Places, passphrase: Option<&str>) -> Result<SecretList, SecretsError> {
    Ok(listed(places, &Store::open(places, passphrase, &OsEntropy)?))
}

/// What was set under a name, if anything was, for whoever can read the file anyway. No route gives it.
///
/// # Errors
/// A store that cannot be read.
pub fn reveal(
    places: &Places,
    passphrase: Option<&str>,
    name: &str,
) -> Result<Option<SecretText>, SecretsError> {
    let store = Store::open(places, passphrase, &OsEntropy)?;
    Ok(store.document.kept(name).map(|kept| kept.secret.value.clone()))
}

/// Files that cannot be loaded leave unknown who needs what; `config check` says what is wrong with them.
fn listed(places: &Places, store: &Store) -> SecretList {
    match loading::catalog(places) {
        Ok(catalog) => need::list(&store.document, &catalog),
        Err(_) => SecretList { secrets: store.document.infos(), ..SecretList::default() },
    }
}

fn private_dirs(places: &Places) -> Result<(), SecretsError> {
    private_dir(&places.state_dir)?;
    Ok(private_dir(&places.keys_dir())?)
}
