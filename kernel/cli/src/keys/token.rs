//! A new operator token: in a file beside the operator's key before the gate is told of its digest.

use std::path::{Path, PathBuf};

use latchgate_client::ClientError;
use latchgate_wire::operator_token::{OperatorToken, TokenDigest};

use super::enrolment::discard_if_refused;
use super::file::{beside, entropy, put_in_place, remove, write_private};
use crate::exit::Failure;

/// A token that the gate does not know yet. Takes the place of an older one only once it does.
pub struct NewToken {
    path: PathBuf,
    new: PathBuf,
    token: OperatorToken,
}

impl NewToken {
    /// Where the token of a key lies.
    pub fn path_beside(key: &Path) -> PathBuf {
        beside(key, "token")
    }

    pub fn at(path: PathBuf) -> Result<Self, Failure> {
        let (new, token) = (beside(&path, "new"), OperatorToken::from_entropy(&*entropy()?));
        remove(&new)?;
        write_private(&new, "operator token", token.expose())?;
        Ok(Self { path, new, token })
    }

    pub fn digest(&self) -> TokenDigest {
        self.token.digest()
    }

    /// The gate goes by it: the token and its file.
    pub fn taken(self) -> Result<(OperatorToken, PathBuf), Failure> {
        put_in_place(&self.new, &self.path)?;
        Ok((self.token, self.path))
    }

    /// Nothing is left of one that was refused.
    pub fn not_taken(self, error: &ClientError) -> Result<(), Failure> {
        discard_if_refused(&self.new, error)
    }
}

/// The token's file goes with the token.
pub fn discard(path: &Path) -> Result<(), Failure> {
    remove(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use latchgate_wire::problem::{Code, Problem};

    use super::*;

    fn refused() -> ClientError {
        ClientError::Problem(Box::new(Problem::new(Code::Forbidden, "x")))
    }

    #[test]
    fn a_token_takes_the_place_of_the_old_one_only_once_it_was_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = NewToken::path_beside(&dir.path().join("operator-ana.pem"));
        let (first, file) = NewToken::at(path.clone()).unwrap().taken().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), first.expose());
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        NewToken::at(path.clone()).unwrap().not_taken(&refused()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first.expose());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a refused token was left behind");
        let (second, _) = NewToken::at(path.clone()).unwrap().taken().unwrap();
        assert_ne!(first.expose(), second.expose());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), second.expose());
    }
}
