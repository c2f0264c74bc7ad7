//! How a key comes to the gate: its private half is safe in its file before the gate is told of the public one, and what the
//! gate does not take leaves nothing behind.

use std::path::{Path, PathBuf};

use latchgate_client::ClientError;
use latchgate_wire::es256::{SigningKey, VerifyingKey};
use latchgate_wire::json;
use latchgate_wire::jwk::Jwk;
use zeroize::Zeroizing;

use super::file::{beside, put_in_place, remove, with, write_new};
use super::generate;
use crate::exit::{Exit, Failure};

const FILE_BYTES_MAX: usize = 65_536;

type Passphrase = Zeroizing<String>;

/// A new key in a new file, which the gate does not know yet.
pub struct New {
    path: PathBuf,
    pub jwk: Jwk,
}

impl New {
    pub fn at(path: PathBuf) -> Result<Self, Failure> {
        let key = generate()?;
        write_new(&path, &key, None)?;
        Ok(Self { path, jwk: Jwk::from(key.verifying_key()) })
    }

    /// What the gate said to it.
    pub fn ended<T>(self, answer: Result<T, ClientError>) -> Result<(T, PathBuf), Failure> {
        match answer {
            Ok(taken) => Ok((taken, self.path)),
            Err(error) => {
                discard_if_refused(&self.path, &error)?;
                Err(Failure::from(error))
            }
        }
    }
}

/// A new key beside the one that it shall replace.
pub struct Replacement {
    path: PathBuf,
    beside: PathBuf,
    pub jwk: Jwk,
}

impl Replacement {
    /// What an earlier one left that did not come to its end: its key.
    pub fn left_over(path: &Path, passphrase: Option<&Passphrase>) -> Result<Option<SigningKey>, Failure> {
        let beside = beside(path, "new");
        if beside.exists() { with(&beside, passphrase).map(Some) } else { Ok(None) }
    }

    /// Takes up an earlier one that the gate knows already.
    pub fn finish(path: &Path) -> Result<(), Failure> {
        put_in_place(&beside(path, "new"), path)
    }

    /// Under the passphrase of the old key, if that has one.
    pub fn of(path: PathBuf, passphrase: Option<&Passphrase>) -> Result<Self, Failure> {
        let (beside, key) = (beside(&path, "new"), generate()?);
        remove(&beside)?;
        write_new(&beside, &key, passphrase.map(|passphrase| passphrase.as_str()))?;
        Ok(Self { path, beside, jwk: Jwk::from(key.verifying_key()) })
    }

    /// What the gate said to it. If nothing is known of that, both keys are kept.
    pub fn ended<T>(self, answer: Result<T, ClientError>) -> Result<(T, PathBuf), Failure> {
        match answer {
            Ok(taken) => {
                put_in_place(&self.beside, &self.path)?;
                Ok((taken, self.path))
            }
            Err(error) => {
                discard_if_refused(&self.beside, &error)?;
                Err(Failure::from(error))
            }
        }
    }
}

/// A refused key is of no use. One whose answer was lost, or was a fault, may be known to the gate.
pub fn discard_if_refused(path: &Path, error: &ClientError) -> Result<(), Failure> {
    let is_refused = match error {
        ClientError::Problem(problem) => problem.status < 500,
        ClientError::Endpoint(_)
        | ClientError::Untrusted { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Input(_) => true,
        ClientError::AnswerLost(_)
        | ClientError::Protocol(_)
        | ClientError::Unproven(_)
        | ClientError::RolledBack { .. } => false,
    };
    if is_refused { remove(path) } else { Ok(()) }
}

/// A public key that somebody else made: a JWK or PEM.
pub fn public_key(path: &Path) -> Result<Jwk, Failure> {
    let bad = |why: String| {
        Failure::usage(format!("{}: {why}", path.display()))
            .remedy("expected a public P-256 key, as a JWK or as PEM that begins with BEGIN PUBLIC KEY")
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))?;
    if text.contains("PRIVATE KEY-----") {
        return Err(bad("this is a private key, which belongs to its owner alone".into()));
    }
    if text.trim_start().starts_with("-----BEGIN") {
        let key = VerifyingKey::from_public_key_pem(&text).map_err(|error| bad(error.to_string()))?;
        return Ok(Jwk::from(key));
    }
    let limits = json::Limits { bytes_max: FILE_BYTES_MAX, ..json::Limits::default() };
    let value = json::parse(text.as_bytes(), limits).map_err(|error| bad(error.to_string()))?;
    Jwk::from_value(&value).map_err(|error| bad(error.to_string()))
}

/// RFC 7638 thumbprint, as lists show it.
pub fn thumbprint(key: &SigningKey) -> String {
    Jwk::from(key.verifying_key()).thumbprint().to_string()
}

#[cfg(test)]
mod tests {
    use latchgate_wire::problem::{Code, Problem};

    use super::*;

    fn refused() -> Result<(), ClientError> {
        Err(ClientError::Problem(Box::new(Problem::new(Code::AlreadyExists, "x"))))
    }

    fn lost() -> Result<(), ClientError> {
        Err(ClientError::AnswerLost("x".into()))
    }

    #[test]
    fn a_new_key_that_is_refused_is_gone_and_one_whose_answer_was_lost_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.pem");
        assert!(New::at(path.clone()).unwrap().ended(refused()).is_err());
        assert!(!path.exists());
        assert!(New::at(path.clone()).unwrap().ended(lost()).is_err());
        assert!(path.exists());
    }

    #[test]
    fn a_replacement_takes_the_place_of_the_old_key_only_once_it_was_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.pem");
        New::at(path.clone()).unwrap();
        let old = std::fs::read(&path).unwrap();
        for (answer, is_left) in [(refused(), false), (lost(), true)] {
            assert!(Replacement::of(path.clone(), None).unwrap().ended(answer).is_err());
            assert_eq!(std::fs::read(&path).unwrap(), old);
            assert_eq!(Replacement::left_over(&path, None).unwrap().is_some(), is_left);
        }
        Replacement::of(path.clone(), None).unwrap().ended(Ok(())).unwrap();
        assert_ne!(std::fs::read(&path).unwrap(), old);
        assert!(Replacement::left_over(&path, None).unwrap().is_none());
    }

    #[test]
    fn a_public_key_is_read_from_jwk_and_pem_and_a_private_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = dir.path().join("key");
            std::fs::write(&path, text).unwrap();
            path
        };
        let key = SigningKey::from_entropy(&[7; 32]).unwrap();
        let jwk = Jwk::from(key.verifying_key());
        let text = serde_json::to_string(&jwk).unwrap();
        assert_eq!(public_key(&file(&text)).unwrap(), jwk);
        let private = text.replace("\"kty\"", "\"d\":\"AAAA\",\"kty\"");
        for wrong in [&*key.to_pkcs8_pem().unwrap(), &private, "nothing", "-----BEGIN PUBLIC KEY-----"] {
            assert_eq!(public_key(&file(wrong)).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
