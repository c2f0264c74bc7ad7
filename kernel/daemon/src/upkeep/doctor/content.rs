//! What the files of a home say: settings, policies and modules, keys, operators.

use std::path::{Path, PathBuf};

use latchgate_wire::jwk::Jwk;
use latchgate_wire::sealed_key;

use super::finding::{Finding, word};
use crate::home::keys::{KeyError, Keys, signing_key};
use crate::home::places::Places;
use crate::people::operators::{LOCAL, Operators};
use crate::secrets::{Protection, SecretsError, offline};
use crate::setup::policies::HomePolicy;
use crate::upkeep::check;
use crate::world::OsEntropy;

const KEYS: [&str; 6] = ["entry.key", "entry.pub", "lease.key", "payload.key", "request.key", "origin"];

/// Configuration, manifests, policies and modules. `told` is what has been said about files already.
pub fn settings(places: &Places, told: &[String]) -> Vec<Finding> {
    let problems = check::problems(places);
    if problems.iter().any(|problem| !told.contains(problem)) {
        let new = problems.iter().filter(|problem| !told.contains(problem));
        return new.map(|problem| refused(places, problem)).collect();
    }
    if problems.iter().any(|problem| problem.contains(&*places.policies_dir().to_string_lossy())) {
        // Policies that others could write were not read at all.
        return Vec::new();
    }
    let mut findings =
        vec![Finding::ok("settings", "configuration, manifests, policies and modules are taken")];
    if HomePolicy::load(places).is_ok_and(|policy| policy.observes) {
        let what = "a rule with @observe is in the policy: this gate observes";
        let means =
            "what it covers is denied, and what the other rules would answer is recorded in its place";
        findings.push(Finding::warning("policy", what).means(means).run("latchgate presets"));
    }
    findings
}

/// A problem that names a place in a file is mended in that file.
fn refused(places: &Places, problem: &str) -> Finding {
    let finding = Finding::problem("settings", problem)
        .means("the gate does not start with it, and a reload leaves in force what is");
    match place(&places.config_dir, problem) {
        Some((path, line)) => finding.run(format!("${{EDITOR:-vi}} +{line} {}", word(&path))),
        None => finding.run("latchgate config check"),
    }
}

/// `FILE:LINE: ...`, the file by its full path or by its place in the home.
fn place(home: &Path, problem: &str) -> Option<(PathBuf, u32)> {
    let (file, rest) = problem.split_once(':')?;
    let (line, _) = rest.split_once(':')?;
    let path = home.join(file);
    path.is_file().then_some(())?;
    Some((path, line.parse().ok()?))
}

/// Made at the first start, and only then.
pub fn keys(places: &Places) -> Vec<Finding> {
    let dir = places.keys_dir();
    if !places.last_checkpoint().exists() && !dir.join("entry.key").exists() {
        return vec![Finding::warning("keys", "there are no keys yet").run("latchgate up --detach")];
    }
    let missing = KEYS.iter().map(|name| dir.join(name)).filter(|path| !path.exists());
    let missing: Vec<Finding> = missing.map(|path| missing_key(&path)).collect();
    if !missing.is_empty() {
        return missing;
    }
    match Keys::load(places, &OsEntropy, 0) {
        Ok(_) => vec![Finding::ok("keys", "every key is there and can be read")],
        Err(KeyError::Broken(path)) => vec![broken_key(Path::new(&path))],
        // Owner and mode are said elsewhere; what is shared is said of the operators.
        Err(KeyError::File(_) | KeyError::Shared { .. }) => Vec::new(),
    }
}

fn missing_key(path: &Path) -> Finding {
    let means = match path.file_name().and_then(|name| name.to_str()) {
        Some("entry.key" | "origin") => "the ledger cannot be gone on with",
        Some("entry.pub") => "the ledger cannot be verified; the next start writes it anew",
        Some("payload.key") => "no argument, plan or result that was kept can be read any more",
        Some("lease.key") => "the next start makes another one, which ends every lease",
        _ => "the next start makes another one, which no longer knows repeated calls",
    };
    let finding = Finding::problem("keys", format!("{} is missing", path.display())).means(means);
    finding.run(restore(path))
}

fn broken_key(path: &Path) -> Finding {
    Finding::problem("keys", format!("{} is not the key it should be", path.display()))
        .means("the gate does not start with it")
        .run(restore(path))
}

fn restore(path: &Path) -> String {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    format!("cp BACKUP/keys/{} {}", name.display(), word(path))
}

fn is_protected(key: &Path) -> bool {
    std::fs::read_to_string(key).is_ok_and(|pem| sealed_key::is_sealed(&pem))
}

/// Whether anybody can operate the gate, and whether that is the local operator too.
pub fn operators(places: &Places) -> Vec<Finding> {
    let dir = places.operators_dir();
    if std::fs::read_dir(&dir).map_or(true, |mut files| files.next().is_none()) {
        let what = "there is no operator yet";
        return vec![Finding::warning("operator", what).run("latchgate up --detach")];
    }
    let operators = match Operators::load(places, &OsEntropy, 0) {
        Ok(operators) => operators,
        Err(KeyError::Broken(path)) => {
            let path = PathBuf::from(path);
            let finding = Finding::problem("operator", format!("{} is no operator's file", path.display()));
            return vec![finding.means("the gate does not start with it").run(format!("rm {}", word(&path)))];
        }
        Err(error @ KeyError::Shared { .. }) => {
            let finding = Finding::problem("operator", error.to_string());
            return vec![finding.means("the gate does not start with it").run(format!("ls {}", word(&dir)))];
        }
        Err(KeyError::File(_)) => return Vec::new(),
    };
    let (private, public) = (places.operator_key(LOCAL), dir.join(format!("{LOCAL}.toml")));
    if !public.exists() {
        return vec![Finding::ok("operator", "operators are enrolled, none of them made here")];
    }
    let anew = format!("latchgate down; rm -f {} {} && latchgate up --detach", word(&private), word(&public));
    if !private.exists() {
        let what = format!("the key of operator {LOCAL}, {}, is missing", private.display());
        let means = "nobody can approve, look or stop the gate as this operator";
        return vec![Finding::problem("operator", what).means(means).run(anew)];
    }
    if is_protected(&private) {
        return vec![Finding::ok("operator", format!("{LOCAL} is enrolled and its key takes a passphrase"))];
    }
    match signing_key(&private, &OsEntropy) {
        Ok(key) if operators.holds(&Jwk::from(key.verifying_key()).thumbprint()) => {
            vec![Finding::ok("operator", format!("{LOCAL} is enrolled and its key is here"))]
        }
        Ok(_) => {
            let what = format!("{} is not the key that {} enrols", private.display(), public.display());
            vec![Finding::problem("operator", what).means("the gate refuses its requests").run(anew)]
        }
        Err(KeyError::Broken(_)) => vec![broken_key(&private)],
        Err(KeyError::File(_) | KeyError::Shared { .. }) => Vec::new(),
    }
}

/// Whether the store opens, as far as its files say.
pub fn secrets(places: &Places) -> Vec<Finding> {
    let opened = offline::protection(places).and_then(|protection| match protection {
        Protection::Absent | Protection::File => Ok((protection, offline::list(places, None)?.secrets.len())),
        Protection::Passphrase => Ok((protection, 0)),
    });
    match opened {
        Ok((Protection::Absent, _)) => Vec::new(),
        Ok((Protection::File, count)) => vec![Finding::ok("secrets", format!("{count} secrets can be read"))],
        Ok((Protection::Passphrase, _)) => vec![sealed(places)],
        // Owner and mode are said elsewhere.
        Err(SecretsError::File(_)) => Vec::new(),
        Err(error) => vec![
            Finding::problem("secrets", error.to_string())
                .means("the gate does not start with it")
                .run(format!("cp BACKUP/secrets.age {}", word(&places.secrets_file()))),
        ],
    }
}

fn sealed(places: &Places) -> Finding {
    match offline::passphrase_file(places) {
        Some(file) => {
            Finding::ok("secrets", format!("their identity takes the passphrase in {}", file.display()))
        }
        None => Finding::warning("secrets", "their identity takes a passphrase")
            .means("`up` asks for it; without a terminal the gate does not start")
            .run(format!("${{EDITOR:-vi}} {}", word(&places.config_file()))),
    }
}
