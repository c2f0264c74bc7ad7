//! The last checkpoint that this side has seen of each log: a gate that shows less, or another past, is found out.
//!
//! Kept apart from the gate's files where it can be: a state that is rolled back as a whole still meets whoever remembers.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::keychain;
use latchgate_wire::proof;

use crate::error::ClientError;
use crate::operator::OperatorClient;

/// A directory of signed notes, one for each log.
#[derive(Clone, Debug)]
pub struct Memory {
    dir: PathBuf,
}

/// How a checkpoint relates to the last one that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing of this log was remembered.
    First,
    Same,
    /// It continues the log that had this size.
    Grown {
        from: u64,
    },
}

impl Memory {
    /// In a directory, which is made when there is something to remember.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Asks for a checkpoint, checks its signature and that it continues the one remembered, and remembers it. `key` is the
    /// log's, base64url.
    ///
    /// # Errors
    /// [`ClientError::RolledBack`] for a log that is not the one that was seen; nothing is forgotten then.
    pub async fn checkpoint(
        &self,
        operator: &OperatorClient,
        key: &str,
    ) -> Result<(String, Seen), ClientError> {
        let note = operator.ledger_checkpoint().await?;
        let key =
            keychain::parse(key).ok_or_else(|| ClientError::Input("the key is no Ed25519 key".into()))?;
        let shown = Checkpoint::open(&note, &key)
            .map_err(|error| ClientError::Unproven(format!("the gate's checkpoint: {error}")))?;
        let path = self.path(&shown.origin);
        let seen = match self.remembered(&shown.origin)? {
            None => Seen::First,
            Some(last) => self.compare(operator, &last, &shown).await?,
        };
        if seen != Seen::Same {
            self.keep(&note, &path).map_err(|error| {
                ClientError::Input(format!("{}: cannot remember the checkpoint: {error}", path.display()))
            })?;
        }
        Ok((note, seen))
    }

    /// The last checkpoint seen of that log.
    ///
    /// # Errors
    /// If the file cannot be read: whoever forgot finds nothing out.
    pub fn remembered(&self, origin: &str) -> Result<Option<Checkpoint>, ClientError> {
        let path = self.path(origin);
        let wrong = |why: String| ClientError::Input(format!("{}: {why}", path.display()));
        match fs::read_to_string(&path) {
            Ok(note) => {
                let last = Checkpoint::read_unverified(&note).map_err(|error| wrong(error.to_string()))?;
                Ok(Some(last))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    async fn compare(
        &self,
        operator: &OperatorClient,
        last: &Checkpoint,
        shown: &Checkpoint,
    ) -> Result<Seen, ClientError> {
        let rolled_back = |why: String| ClientError::RolledBack { why, remembered: self.path(&last.origin) };
        if shown.size < last.size {
            let why = format!("it has {} entries, and {} were signed over before", shown.size, last.size);
            return Err(rolled_back(why));
        }
        let is_same = shown.root == last.root;
        if shown.size == last.size {
            let other = || rolled_back(format!("its first {} entries are others than before", last.size));
            return if is_same { Ok(Seen::Same) } else { Err(other()) };
        }
        if last.size == 0 {
            return Ok(Seen::Grown { from: 0 });
        }
        let proved = operator.ledger_consistency(last.size, Some(shown.size)).await?;
        let proof =
            proved.hashes().ok_or_else(|| ClientError::Protocol("a hash of the proof is none".into()))?;
        proof::verify_consistency(last.size, &last.root, shown.size, &shown.root, &proof).map_err(
            |error| rolled_back(format!("its first {} entries are others than before: {error}", last.size)),
        )?;
        Ok(Seen::Grown { from: last.size })
    }

    fn keep(&self, note: &str, path: &PathBuf) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let aside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(aside, path)
    }

    fn path(&self, origin: &str) -> PathBuf {
        let name: String = origin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        self.dir.join(format!("{name}.checkpoint"))
    }
}
