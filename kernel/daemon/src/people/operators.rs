//! Operators: named P-256 keys with a role, each request signed over its method, URL and body.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchgate_monitor::authenticator::Presented;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Clock, Entropy};
use latchgate_monitor::proofs::{ProofWindow, UsedProof};
use latchgate_wire::dpop;
use latchgate_wire::entry::{OperatorKey, Role, Signed};
use latchgate_wire::jwk::{Jwk, Thumbprint};
use latchgate_wire::operator_token::TokenDigest;
use latchgate_wire::principal::is_name;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::ProofId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::home::files::{create_private, private_dir, read_private};
use crate::home::keys::{KeyError, signing_key};
use crate::home::places::Places;

/// The operator that the first `up` makes.
pub const LOCAL: &str = "local";

/// The admin socket's clients sign for this URL, whatever the socket's path.
const BASE_URL: &str = "http://localhost";

/// One file of `operators/`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorFile {
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<TokenDigest>,
    /// Public key.
    jwk: Jwk,
}

struct Operator {
    name: String,
    role: Role,
    token: Option<TokenDigest>,
}

/// The keys that may open the admin socket's routes.
pub struct Operators {
    by_key: ArcSwap<BTreeMap<Thumbprint, Operator>>,
    proofs: ProofWindow,
    started_s: i64,
}

/// A request that an operator signed.
pub struct Operated {
    name: String,
    /// May hold secrets: wiped, unless it goes into an entry.
    body: Zeroizing<String>,
    proof: ProofId,
    text: String,
}

impl Operated {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For entries: a proof that an entry names works once, across restarts.
    pub fn proof(&self) -> ProofId {
        self.proof.clone()
    }

    /// What was signed, for the ledger.
    pub fn signed(mut self) -> Signed {
        let body = std::mem::take(&mut *self.body);
        Signed { operator: self.name, jkt: self.proof.jkt, body, proof: self.text }
    }
}

impl Operators {
    /// Reads `operators/`, and makes the local operator where there is none at all.
    pub fn load(places: &Places, entropy: &impl Entropy, now_s: i64) -> Result<Self, KeyError> {
        let dir = places.operators_dir();
        private_dir(&dir)?;
        let local = dir.join(format!("{LOCAL}.toml"));
        if list(&dir)?.is_empty() {
            let key = signing_key(&places.operator_key(LOCAL), entropy)?;
            let file = OperatorFile { role: Role::Admin, token: None, jwk: Jwk::from(key.verifying_key()) };
            let text = toml::to_string(&file).map_err(|_| KeyError::Broken(local.display().to_string()))?;
            create_private(&local, text.as_bytes())?;
        }
        let by_key = ArcSwap::from_pointee(read(places)?);
        Ok(Self { by_key, proofs: ProofWindow::default(), started_s: now_s })
    }

    /// Whether `operators/` names anybody.
    pub fn are_named(places: &Places) -> bool {
        list(&places.operators_dir()).is_ok_and(|files| !files.is_empty())
    }

    /// Reads `operators/` anew. What cannot be read leaves the operators as they are.
    pub fn reload(&self, places: &Places) -> Result<(), KeyError> {
        self.by_key.store(Arc::new(read(places)?));
        Ok(())
    }

    /// Everybody, as the ledger names them.
    pub fn keys(&self) -> BTreeMap<String, OperatorKey> {
        let of = |(jkt, operator): (&Thumbprint, &Operator)| {
            let Operator { name, role, token } = operator;
            (name.clone(), OperatorKey { role: *role, jkt: jkt.to_string(), token: *token })
        };
        self.by_key.load().iter().map(of).collect()
    }

    /// Marks a proof that the ledger knows as used.
    pub fn seed(&self, proof: UsedProof) {
        self.proofs.seed(proof);
    }

    /// Whether a key belongs to an operator: such a key gets no lease.
    pub fn holds(&self, jkt: &Thumbprint) -> bool {
        self.by_key.load().contains_key(jkt)
    }

    /// Takes the proof over method, URL and body, by the key of an operator of at least `role`. `tokens`: what the request
    /// carries as operator token, which must be that operator's and alone opens nothing.
    ///
    /// # Errors
    /// 401 for the proof or the token, 403 for the role.
    pub fn authenticate(
        &self,
        presented: Presented<'_>,
        tokens: &[&[u8]],
        role: Role,
        canonical: &str,
        clock: &impl Clock,
    ) -> Result<Operated, Denial> {
        let now = clock.now();
        let text = match presented.dpop {
            [value] => std::str::from_utf8(value).ok(),
            _ => None,
        };
        let text = text.ok_or_else(|| {
            Denial::new(Code::MissingDpopHeader, "expected one DPoP header, signed by an operator's key")
        })?;
        // By the usual name of a socket, or by this gate's own, which no other gate of the same operator takes.
        let urls = [BASE_URL, canonical].map(|base| format!("{base}{}", presented.path));
        let expected = dpop::Expected {
            method: presented.method,
            uris: &urls.each_ref().map(String::as_str),
            ath: None,
            jkt: None,
            body: presented.body,
            require_bh: true,
            now,
        };
        let proof = dpop::verify(text, &expected).map_err(|error| Denial::proof(&error, now))?;
        let jkt = proof.jkt();
        let operators = self.by_key.load();
        let Some(operator) = operators.get(&jkt) else {
            return Err(Denial::new(Code::Forbidden, "this key belongs to no operator of this gate"));
        };
        if proof.iat() < self.started_s {
            return Err(Denial::new(Code::InvalidDpop, "dpop proof is older than the gate's last start")
                .remedy("sign a new proof"));
        }
        let id = ProofId { jkt: jkt.to_string(), jti: proof.jti().to_owned(), iat: proof.iat() };
        if !self.proofs.burn(&id, now) {
            return Err(Denial::new(Code::ReplayDetected, "the dpop proof was used before"));
        }
        operator.admits(tokens)?;
        if operator.role < role {
            let detail = format!("operator {} is {:?}, this needs {role:?}", operator.name, operator.role);
            return Err(Denial::new(Code::Forbidden, detail.to_lowercase()));
        }
        let body = Zeroizing::new(String::from_utf8_lossy(presented.body).into_owned());
        Ok(Operated { name: operator.name.clone(), body, proof: id, text: text.to_owned() })
    }
}

impl Operator {
    /// No token is none too many: the key decides.
    fn admits(&self, presented: &[&[u8]]) -> Result<(), Denial> {
        let value = match presented {
            [] => return Ok(()),
            [value] => std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        match (self.token, value) {
            (Some(own), Some(token)) if own.is_of(&token) => Ok(()),
            _ => Err(Denial::new(
                Code::InvalidOperatorToken,
                format!("the operator token is not the one of operator {}", self.name),
            )
            .remedy(format!("make one: latchgate operator token {}", self.name))),
        }
    }
}

/// Everybody in `operators/`. One key under two names would make two people of one.
fn read(places: &Places) -> Result<BTreeMap<Thumbprint, Operator>, KeyError> {
    let mut by_key = BTreeMap::new();
    for (name, path) in list(&places.operators_dir())? {
        let file = read_file(&path)?;
        let operator = Operator { name: name.clone(), role: file.role, token: file.token };
        if let Some(other) = by_key.insert(file.jwk.thumbprint(), operator) {
            return Err(KeyError::Shared { path, other: other.name });
        }
    }
    Ok(by_key)
}

/// What `operators/NAME.toml` says.
pub fn file(role: Role, token: Option<TokenDigest>, jwk: Jwk) -> Result<String, toml::ser::Error> {
    toml::to_string(&OperatorFile { role, token, jwk })
}

/// The same file with that token, or without one.
///
/// # Errors
/// A file that is none of an operator.
pub fn with_token(path: &Path, token: Option<TokenDigest>) -> Result<String, KeyError> {
    let OperatorFile { role, jwk, .. } = read_file(path)?;
    file(role, token, jwk).map_err(|_| KeyError::Broken(path.display().to_string()))
}

fn read_file(path: &Path) -> Result<OperatorFile, KeyError> {
    let broken = || KeyError::Broken(path.display().to_string());
    let text = String::from_utf8(read_private(path)?).map_err(|_| broken())?;
    toml::from_str(&text).map_err(|_| broken())
}

pub(crate) fn list(dir: &Path) -> Result<Vec<(String, std::path::PathBuf)>, KeyError> {
    let broken = || KeyError::Broken(dir.display().to_string());
    let mut files = Vec::new();
    for file in std::fs::read_dir(dir).map_err(|_| broken())? {
        let path = file.map_err(|_| broken())?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".toml"));
        if let Some(name) = name.filter(|name| is_name(name)) {
            files.push((name.to_owned(), path));
        }
    }
    Ok(files)
}
