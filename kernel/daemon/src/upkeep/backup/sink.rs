//! Where a backup's files go: a directory or one archive, private, durable, and under its name only when it is whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::tar::Tar;
use super::{BackupError, Destination};

pub struct Sink {
    /// The name that it gets at last.
    path: PathBuf,
    partial: PathBuf,
    kind: Kind,
}

enum Kind {
    Dir,
    Tar { tar: Tar<File>, top: PathBuf },
}

impl Sink {
    pub fn begin(destination: &Destination, name: &str) -> Result<Self, BackupError> {
        let path = match destination {
            Destination::In(dir) => {
                private(dir).or_else(exists).map_err(BackupError::io(dir))?;
                dir.join(name)
            }
            Destination::Archive(file) => file.clone(),
        };
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path));
        }
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let kind = match destination {
            Destination::In(_) => {
                DirBuilder::new().mode(0o700).create(&partial).map_err(BackupError::io(&partial))?;
                Kind::Dir
            }
            Destination::Archive(_) => {
                let file = create(&partial).map_err(BackupError::io(&partial))?;
                Kind::Tar { tar: Tar::new(file), top: name.into() }
            }
        };
        let sink = Self { path, partial, kind };
        // A file system without modes lets everybody read.
        let mode = fs::metadata(&sink.partial).map_err(BackupError::io(&sink.partial))?.permissions().mode();
        if mode & 0o077 != 0 {
            let path = sink.path.clone();
            let _left = sink.abandon();
            return Err(BackupError::NoModes(path));
        }
        Ok(sink)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder(&mut self, name: &Path) -> Result<(), BackupError> {
        let result = match &mut self.kind {
            Kind::Dir => DirBuilder::new().mode(0o700).create(self.partial.join(name)),
            Kind::Tar { tar, top } => tar.folder(&top.join(name)),
        };
        result.map_err(BackupError::io(&self.partial.join(name)))
    }

    /// Exactly `bytes` of content: less is an error.
    pub fn file(&mut self, name: &Path, bytes: u64, content: &mut dyn Read) -> Result<(), BackupError> {
        let result = match &mut self.kind {
            Kind::Dir => put(&self.partial.join(name), bytes, content),
            Kind::Tar { tar, top } => tar.file(&top.join(name), bytes, content),
        };
        result.map_err(BackupError::io(&self.partial.join(name)))
    }

    /// Makes everything durable, then gives it its name.
    pub fn finish(&mut self) -> Result<(), BackupError> {
        let io = || BackupError::io(&self.partial);
        match &mut self.kind {
            Kind::Dir => sync_dirs(&self.partial).map_err(io())?,
            Kind::Tar { tar, .. } => tar.finish().and_then(|file| file.sync_all()).map_err(io())?,
        }
        fs::rename(&self.partial, &self.path).map_err(io())?;
        let parent = self.path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(BackupError::io(parent))
    }

    /// Removes what was written so far.
    pub fn abandon(self) -> io::Result<()> {
        match self.kind {
            Kind::Dir => fs::remove_dir_all(&self.partial),
            Kind::Tar { .. } => fs::remove_file(&self.partial),
        }
    }
}

fn private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn exists(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn put(path: &Path, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
    let mut file = create(path)?;
    let copied = io::copy(content, &mut file)?;
    if copied != bytes {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{copied} bytes of {bytes} were there"),
        ));
    }
    file.sync_all()
}

fn sync_dirs(dir: &Path) -> io::Result<()> {
    for item in fs::read_dir(dir)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            sync_dirs(&item.path())?;
        }
    }
    File::open(dir)?.sync_all()
}
