//! Values that lie elsewhere: files of variables, YAML and JSON, as they are, encrypted with age, or by SOPS.
//!
//! A document becomes a flat list of names and values in its order: `a: {b: [x]}` is `a.b.0`. No external program is run. What is
//! wrong is told by name and place, never by value.

mod decrypt;
mod sops;
mod tree;
mod variables;

use std::path::Path;

use age::x25519::Identity;
use latchgate_wire::secret::SecretText;

pub use variables::variables;

use tree::Node;

/// Names as the document has them; whoever imports decides what becomes of those that are none of ours.
pub type Values = Vec<(String, SecretText)>;

/// Any of them may open a file.
pub type Identities = Vec<Identity>;

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    Syntax(String),
    #[error("none of the identities given opens it")]
    NoIdentity,
    #[error("{0} holds no age identity (AGE-SECRET-KEY-1...)")]
    NoIdentities(String),
    #[error("it is not a whole age file, or it was altered")]
    NotAge,
    #[error("it was not encrypted by SOPS: it has no member `sops`")]
    NotSops,
    #[error("it is not encrypted to an age identity; others (KMS, PGP) are not read here")]
    NotForAge,
    #[error("it shares its key between groups, which is not read here")]
    Shared,
    #[error("{0} was altered, moved, or encrypted with another key")]
    Altered(String),
    #[error("its MAC is not that of its content: something was added, removed, moved or altered")]
    Mac,
}

/// The identities in a file as age-keygen writes it.
///
/// # Errors
/// If there is none.
pub fn identities(name: &Path, text: &str) -> Result<Identities, ImportError> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("AGE-SECRET-KEY-1"));
    let found: Identities = lines.filter_map(|line| line.parse().ok()).collect();
    if found.is_empty() { Err(ImportError::NoIdentities(name.display().to_string())) } else { Ok(found) }
}

/// A YAML or JSON document that was encrypted as a whole, armoured or not.
///
/// # Errors
/// [`ImportError`].
pub fn age(file: &[u8], identities: &[Identity]) -> Result<Values, ImportError> {
    let text = decrypt::whole(file, identities)?;
    let text = std::str::from_utf8(&text).map_err(|_| ImportError::Syntax("it is no UTF-8 text".into()))?;
    Ok(flat(&tree::read(text)?))
}

/// A document whose values SOPS encrypted; those that it left as they are are no secrets, and left out.
///
/// # Errors
/// [`ImportError`], also for a MAC that is not that of the content.
pub fn sops(text: &str, identities: &[Identity]) -> Result<Values, ImportError> {
    sops::opened(&tree::read(text)?, identities)
}

/// Every text, number and flag by its path.
fn flat(node: &Node) -> Values {
    let mut values = Vec::new();
    tree::walk(node, &mut Vec::new(), &mut |path, leaf| {
        if let Some(text) = leaf.text() {
            values.push((tree::name(path), SecretText::new(text.to_owned())));
        }
    });
    values
}

#[cfg(test)]
mod tests;
