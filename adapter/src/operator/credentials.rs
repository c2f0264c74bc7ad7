//! Who the operator is: key and token, read from private files and tried at the gate before anything is served.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use latchgate_client::{ClientError, Endpoint, OperatorClient, Search};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::operator_token::OperatorToken;
use latchgate_wire::sealed_key;
use latchgate_wire::visible::plain;
use zeroize::Zeroizing;

use super::{Args, USAGE};

/// `--operator-id` without a value: whoever the key belongs to.
pub const ANY_OPERATOR: &str = "operator";

/// Names the file that holds the passphrase of the operator's key.
const PASSPHRASE_FILE: &str = "LATCHGATE_OPERATOR_PASSPHRASE_FILE";

const FILE_BYTES_MAX: u64 = 65_536;

/// Why nothing is served.
pub struct Refused {
    pub what: String,
    pub remedy: Option<String>,
    /// Exit code (contract: Exit codes).
    pub code: u8,
}

impl Refused {
    fn new(what: String, remedy: &str) -> Self {
        Self { what, remedy: Some(remedy.into()), code: USAGE }
    }
}

/// A client that the gate has just taken as this operator.
pub async fn verified(args: &Args) -> Result<OperatorClient, Refused> {
    let endpoint = endpoint(args)?;
    let key = key(&args.operator_key)?;
    let canonical = args.public_base_url.clone().filter(|url| !url.is_empty());
    let mut client = OperatorClient::new(&endpoint, key, args.operator_id.clone()).signing_for(canonical);
    if let Some(token) = &args.operator_token {
        client = client.with_token(self::token(token)?);
    }
    let status = client.status().await.map_err(|error| not_taken(&error, &endpoint, args))?;
    if args.operator_id != ANY_OPERATOR && args.operator_id != status.operator {
        let what = format!(
            "the gate at {} knows the key {} as operator `{}`, not `{}`",
            endpoint.admin_socket().display(),
            args.operator_key.display(),
            plain(&status.operator),
            plain(&args.operator_id)
        );
        return Err(Refused::new(what, "name that one with --operator-id, or leave it out"));
    }
    tracing::info!(operator = status.operator, gate = status.gate, "the gate takes this operator");
    Ok(client)
}

fn endpoint(args: &Args) -> Result<Endpoint, Refused> {
    match &args.admin_socket {
        Some(path) => Ok(Endpoint::new(PathBuf::new(), path.clone())),
        None => Endpoint::discover(&Search::from_env(None)).map_err(|error| {
            let remedy = error.remedy();
            Refused::new(error.to_string(), &remedy)
        }),
    }
}

fn not_taken(error: &ClientError, endpoint: &Endpoint, args: &Args) -> Refused {
    let socket = endpoint.admin_socket().display();
    let (what, remedy) = match error {
        ClientError::Problem(problem) => {
            let what = format!(
                "the gate at {socket} does not take this operator: {}: {}",
                plain(&problem.error),
                plain(&problem.detail)
            );
            let key = args.operator_key.display();
            let known = format!(
                "compare {key} with `latchgate operator list`, and the token with `latchgate operator token`"
            );
            (what, problem.remediation.as_deref().map_or(known, plain))
        }
        other => (
            format!("the admin socket {socket} does not answer: {other}"),
            other.remedy().unwrap_or_else(|| "look at the gate's log".into()),
        ),
    };
    Refused { what, remedy: Some(remedy), code: error.exit_code() }
}

fn key(path: &Path) -> Result<SigningKey, Refused> {
    let pem = private_text(path, "operator key")?;
    let read = match sealed_key::is_sealed(&pem) {
        false => SigningKey::from_pkcs8_pem(&pem).ok(),
        true => sealed_key::open(&pem, &passphrase(path)?).ok(),
    };
    read.ok_or_else(|| {
        let what = format!("operator key {}: expected a P-256 private key in PKCS#8 PEM", path.display());
        Refused::new(what, "if it has a passphrase, check that too; `latchgate operator add` makes a key")
    })
}

/// Standard input is the protocol's: nobody can be asked here.
fn passphrase(key: &Path) -> Result<Zeroizing<String>, Refused> {
    let Some(file) = std::env::var_os(PASSPHRASE_FILE).filter(|file| !file.is_empty()) else {
        let what = format!("operator key {} takes a passphrase, and there is nobody to ask", key.display());
        let remedy = format!("set {PASSPHRASE_FILE} to a file of mode 0600 that holds it");
        return Err(Refused::new(what, &remedy));
    };
    let text = private_text(Path::new(&file), "passphrase file")?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// The token itself, or the file that holds it.
fn token(text: &str) -> Result<OperatorToken, Refused> {
    let is_in_argv = std::env::args_os().any(|word| word.to_string_lossy().starts_with("--operator-token"));
    let text = match text.strip_prefix('@') {
        Some(path) => private_text(Path::new(path), "operator token")?,
        None => {
            if is_in_argv {
                eprintln!(
                    "latchgate-mcp: warning: the operator token stands on the command line, where every user of this machine \
                     can read it; use --operator-token @FILE or LATCHGATE_OPERATOR_TOKEN"
                );
            }
            Zeroizing::new(text.to_owned())
        }
    };
    text.trim().parse().map_err(|error: latchgate_wire::operator_token::TokenError| {
        Refused::new(error.to_string(), "`latchgate operator token NAME` makes one beside the key")
    })
}

/// The text of a file that only its owner, who is us, can read.
fn private_text(path: &Path, what: &str) -> Result<Zeroizing<String>, Refused> {
    let shown = path.display();
    let refused = |why: String, remedy: String| Refused::new(format!("{what} {shown} {why}"), &remedy);
    let unread = |error: std::io::Error| {
        refused(
            format!("cannot be read: {error}"),
            "name the file that `latchgate operator add` wrote".into(),
        )
    };
    let found = fs::symlink_metadata(path).map_err(unread)?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return Err(refused("is no file that holds one".into(), "name the file itself".into()));
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return Err(refused(
            format!("belongs to uid {}, not to {own}", found.uid()),
            format!("run: chown {own} {shown}"),
        ));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(refused("can be read by others".into(), format!("run: chmod 600 {shown}")));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(unread)
}
