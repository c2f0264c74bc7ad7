//! A client's file on disk: read with suspicion, replaced whole, with what was there before kept beside it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::edit::Refusal;

/// Clients keep histories in some of these files; none is near this.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Ends the name of the file that keeps what was there before.
const BACKUP: &str = ".before-latchgate";

/// Who a file may belong to, and where it may lie.
#[derive(Clone, Copy)]
pub enum Trust<'p> {
    /// The user's own: a symbolic link in its place is followed, since dotfiles are often kept elsewhere.
    User,
    /// A project's, which may come from anybody: nothing outside of the project is written.
    Project(&'p Path),
}

/// A file as it was found.
#[derive(Debug)]
pub struct Found {
    /// As it was named.
    pub path: PathBuf,
    /// Where its bytes are: the same, but for symbolic links.
    real: PathBuf,
    /// `None`: there is none yet.
    pub text: Option<String>,
    mode: u32,
}

impl Found {
    /// # Errors
    /// Anything but a regular file of this user's, of a size that makes sense, in UTF-8.
    pub fn read(path: &Path, trust: Trust<'_>) -> Result<Self, Refusal> {
        let real = real_path(path, trust)?;
        let new_mode = match trust {
            Trust::User => 0o600,
            Trust::Project(_) => 0o644,
        };
        let absent = |real| Ok(Self { path: path.to_owned(), real, text: None, mode: new_mode });
        let found = match fs::symlink_metadata(&real) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(real),
            Err(error) => return Err(Refusal(error.to_string())),
        };
        if !found.is_file() {
            return Err(Refusal("it is not a regular file".into()));
        }
        let own = rustix::process::geteuid().as_raw();
        if found.uid() != own {
            return Err(Refusal(format!("it belongs to uid {}, not to {own}", found.uid())));
        }
        if found.nlink() > 1 {
            return Err(Refusal(
                "it has a second name (a hard link), and replacing it would part the two".into(),
            ));
        }
        if found.len() > BYTES_MAX {
            return Err(Refusal(format!("it has {} bytes; at most {BYTES_MAX} are read", found.len())));
        }
        let text = read_text(&real)?;
        Ok(Self { path: path.to_owned(), real, text: Some(text), mode: found.mode() & 0o7777 })
    }

    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Where what was there before is kept.
    pub fn backup_path(&self) -> PathBuf {
        let mut name = self.real.as_os_str().to_owned();
        name.push(BACKUP);
        PathBuf::from(name)
    }

    /// What was there before, if it was kept.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn backup(&self) -> Result<Option<String>, Refusal> {
        let path = self.backup_path();
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        let kept = Self::read(&path, Trust::User)?;
        if kept.real != path {
            return Err(Refusal(format!("{} is a symbolic link", path.display())));
        }
        Ok(kept.text)
    }

    /// Keeps what is there now.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn back_up(&self) -> io::Result<()> {
        let Some(text) = &self.text else { return Ok(()) };
        put(&self.backup_path(), text, self.mode)
    }

    /// # Errors
    /// It is there and cannot be removed.
    pub fn forget_backup(&self) -> io::Result<()> {
        match fs::remove_file(self.backup_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts another text in its place, whole, with the mode it had.
    ///
    /// # Errors
    /// It cannot be written, or somebody else has written to it since it was read.
    pub fn replace(&self, text: &str) -> io::Result<()> {
        if let Some(directory) = self.real.parent() {
            fs::create_dir_all(directory)?;
        }
        self.is_as_read()?;
        put(&self.real, text, self.mode)
    }

    /// # Errors
    /// As [`Self::replace`].
    pub fn remove(&self) -> io::Result<()> {
        self.is_as_read()?;
        fs::remove_file(&self.real)
    }

    fn is_as_read(&self) -> io::Result<()> {
        let now = match fs::read_to_string(&self.real) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now == self.text {
            return Ok(());
        }
        Err(io::Error::other("it was changed meanwhile; run this again"))
    }
}

fn real_path(path: &Path, trust: Trust<'_>) -> Result<PathBuf, Refusal> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let real = match is_link {
        true => fs::canonicalize(path).map_err(|_| Refusal("it is a symbolic link to nothing".into()))?,
        false => path.to_owned(),
    };
    let Trust::Project(project) = trust else { return Ok(real) };
    // The nearest directory that is there decides: those below it are made.
    let there = real.ancestors().skip(1).find(|directory| directory.exists()).unwrap_or(project);
    let inside = fs::canonicalize(there)
        .and_then(|there| Ok(there.starts_with(fs::canonicalize(project)?)))
        .map_err(|error| Refusal(error.to_string()))?;
    if inside { Ok(real) } else { Err(Refusal("it is a symbolic link that leads out of the project".into())) }
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().map_err(|error| Refusal(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| Refusal("it is not UTF-8".into()))
}

/// A new file in the same directory, synced, then renamed: the old one or the new one is there, never half of one.
fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is no path of a file"));
    };
    let beside = directory.join(format!(".{}.latchgate-{}.tmp", name.display(), std::process::id()));
    let written = write_new(&beside, text, mode).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _gone = fs::remove_file(&beside);
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}
