//! One private key in a file of its own: read, written once, replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use latchgate_wire::es256::SigningKey;
use latchgate_wire::sealed_key;
use zeroize::Zeroizing;

use super::passphrase;
use crate::exit::{Exit, Failure};

/// A private key as it was read, and what it is protected with.
pub struct Held {
    pub key: SigningKey,
    pub passphrase: Option<Zeroizing<String>>,
}

/// An operator's key. One that is protected takes its passphrase.
pub fn operator(path: &Path) -> Result<Held, Failure> {
    let pem = read(path, "operator key").map_err(|unread| match unread {
        Unread::Io(error) => named(path, "operator key", &error).remedy(
            "run this as the user whose gate it is, with the gate's LATCHGATE_HOME, or name another --operator",
        ),
        Unread::Refused(failure) => failure,
    })?;
    if !sealed_key::is_sealed(&pem) {
        return Ok(Held { key: plain(&pem, path, "operator key")?, passphrase: None });
    }
    let passphrase = passphrase::of(path)?;
    open(&pem, path, passphrase)
}

/// An agent's key. It is used by programs, so no passphrase protects it.
pub fn agent(path: &Path) -> Result<SigningKey, Failure> {
    let pem = read(path, "agent key").map_err(|unread| match unread {
        Unread::Io(error) => named(path, "agent key", &error)
            .remedy("`latchgate agents add NAME --out FILE` makes a key and enrols it"),
        Unread::Refused(failure) => failure,
    })?;
    plain(&pem, path, "agent key")
}

/// A key under the passphrase that another one is under.
pub fn with(path: &Path, passphrase: Option<&Zeroizing<String>>) -> Result<SigningKey, Failure> {
    let pem = read(path, "key").map_err(|unread| match unread {
        Unread::Io(error) => named(path, "key", &error),
        Unread::Refused(failure) => failure,
    })?;
    match passphrase.filter(|_| sealed_key::is_sealed(&pem)) {
        Some(passphrase) => open(&pem, path, passphrase.clone()).map(|held| held.key),
        None => plain(&pem, path, "key"),
    }
}

/// A new key.
pub fn generate() -> Result<SigningKey, Failure> {
    loop {
        // All but 2^-32 of all byte strings are scalars of the curve: draw again.
        if let Ok(key) = SigningKey::from_entropy(&*entropy()?) {
            return Ok(key);
        }
    }
}

/// Writes a key to a new file, durably.
pub fn write_new(path: &Path, key: &SigningKey, passphrase: Option<&str>) -> Result<(), Failure> {
    let pem = match passphrase {
        Some(passphrase) => sealed_key::seal(key, passphrase, &*entropy()?).map_err(io::Error::other)?,
        None => key.to_pkcs8_pem().map_err(io::Error::other)?,
    };
    write_private(path, "key", &pem)
}

/// Writes a secret to a new file that is its owner's alone, durably.
pub fn write_private(path: &Path, what: &str, text: &str) -> Result<(), Failure> {
    let write = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !dir.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{} exists already", path.display()))
            .remedy("name another file with --out"),
        _ => named(path, what, &error),
    })
}

/// The text of a private file.
pub fn private_text(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    read(path, what).map_err(|unread| match unread {
        Unread::Io(error) => named(path, what, &error),
        Unread::Refused(failure) => failure,
    })
}

/// Puts a key in its own place again, under this passphrase.
pub fn protect(path: &Path, key: &SigningKey, passphrase: &str) -> Result<(), Failure> {
    let beside = beside(path, "protected");
    remove(&beside)?;
    write_new(&beside, key, Some(passphrase))?;
    put_in_place(&beside, path)
}

pub fn put_in_place(new: &Path, path: &Path) -> Result<(), Failure> {
    let rename = || {
        fs::rename(new, path)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    };
    rename().map_err(|error| named(path, "key", &error))
}

pub fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, "key", &error)),
        _ => Ok(()),
    }
}

/// Another file in the same directory, so that a rename is whole.
pub fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    PathBuf::from(name)
}

/// Why a file was not read.
pub enum Unread {
    Io(io::Error),
    Refused(Failure),
}

/// The text of a file that only its owner, who is us, can read or replace.
pub fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, Unread> {
    let refused = |failure| Err(Unread::Refused(failure));
    let found = fs::symlink_metadata(path).map_err(Unread::Io)?;
    if !found.is_file() {
        return refused(Failure::new(Exit::Failed, format!("{what} {} is not a file", path.display())));
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        let why = format!("{what} {} belongs to uid {}, not to {own}", path.display(), found.uid());
        return refused(
            Failure::new(Exit::Failed, why).remedy(format!("run: chown {own} {}", path.display())),
        );
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o7777;
        let why = format!("{what} {} has mode {mode:04o}, which lets others in", path.display());
        return refused(
            Failure::new(Exit::Failed, why).remedy(format!("run: chmod 0600 {}", path.display())),
        );
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(Unread::Io)
}

fn open(pem: &str, path: &Path, passphrase: Zeroizing<String>) -> Result<Held, Failure> {
    let key = sealed_key::open(pem, &passphrase).map_err(|error| {
        Failure::new(Exit::Failed, format!("operator key {}: {error}", path.display()))
            .remedy("try again with the right passphrase; nothing else opens it")
    })?;
    Ok(Held { key, passphrase: Some(passphrase) })
}

fn plain(pem: &str, path: &Path, what: &str) -> Result<SigningKey, Failure> {
    SigningKey::from_pkcs8_pem(pem)
        .map_err(|error| Failure::new(Exit::Failed, format!("{what} {}: {error}", path.display())))
}

fn named(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{what} {}: {error}", path.display()))
}

pub fn entropy() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key_with_mode(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator-local.pem");
        write_new(&path, &SigningKey::from_entropy(&[7; 32]).unwrap(), None).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_private_key_is_read() {
        let (_dir, path) = key_with_mode(0o600);
        assert!(operator(&path).is_ok());
        assert!(agent(&path).is_ok());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let (_dir, path) = key_with_mode(0o640);
        let Err(failure) = operator(&path) else { panic!("taken") };
        assert_eq!(failure.remedy, Some(format!("run: chmod 0600 {}", path.display())));
    }

    #[test]
    fn a_new_key_takes_the_place_of_no_other_file() {
        let (_dir, path) = key_with_mode(0o600);
        let before = fs::read(&path).unwrap();
        assert_eq!(write_new(&path, &generate().unwrap(), None).unwrap_err().exit, Exit::Usage);
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_new_key_is_its_owners_alone_and_its_directory_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/agent-ci.pem");
        write_new(&path, &generate().unwrap(), None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
