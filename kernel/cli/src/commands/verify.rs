//! `verify`: checks a ledger offline: signatures, tree, checkpoints and meaning.

use std::path::{Path, PathBuf};

use clap::Args;
use latchgate_daemon::Places;
use latchgate_daemon::verify::{Report, VerifyError, VerifyOptions, bundle as bundle_proved, run};
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::wait::progress;

const EXAMPLES: &str = "\
Examples:
  latchgate verify
  latchgate verify /backup/ledger --key /safe/entry.pub
  latchgate verify --checkpoint /mnt/elsewhere/gate.checkpoint
  latchgate verify --bundle receipt.json --key /safe/entry.pub

Trust comes from --key or from the local gate's home, never from the
directory that is checked. Without a key only consistency can be said, and
the exit code is 2; with findings it is 6.";

/// Check a ledger: every signature, the tree, and that what it tells makes sense
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    /// A gate's home or a ledger directory [default: the local gate's]
    dir: Option<PathBuf>,
    /// The gate's public key (Ed25519, PEM) [default: the local gate's]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Check one bundle of `latchgate ledger proof` instead of a ledger
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dir", "checkpoint", "since", "payloads"])]
    bundle: Option<PathBuf>,
    /// A checkpoint kept elsewhere, which the ledger must contain; may be given more than once
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A checkpoint that an earlier verification reached: signatures before it are not checked again, its root is
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Hold the stored payloads against the entries too, with the gate's state/keys/payload.key
    #[arg(long, value_name = "FILE")]
    payloads: Option<PathBuf>,
}

/// Where the key came from, for the reader of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeySource {
    Flag,
    /// The local gate's key for the local gate's ledger.
    Own,
    /// The local gate's key for a ledger elsewhere, which may be another gate's.
    Assumed,
    None,
}

impl Verify {
    pub async fn run(self, console: &Console) -> Result<Exit, Failure> {
        if let Some(bundle) = &self.bundle {
            let local = connect::places().ok().map(|places| places.entry_public_key());
            let key = self.key.or(local.filter(|path| path.exists()));
            return proved(bundle, key.as_deref(), console);
        }
        // With a directory and a key there need not be a home here at all.
        let places = match (&self.dir, &self.key) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => connect::places().ok(),
            (None, _) => Some(connect::places()?),
        };
        let (options, source) = self.options(places.as_ref())?;
        let shown = options.clone();
        let bar = progress::Bar::new(console);
        let checking = tokio::task::spawn_blocking(move || run(&options, &|progress| bar.show(progress)));
        let report = checking.await.map_err(std::io::Error::other)?;
        let report = report.map_err(|error| unverifiable(&error))?;
        if console.is_json() {
            console.json(&document(&report, &shown))?;
        } else {
            console.result(&sheet(&report, &shown, source))?;
        }
        Ok(exit(&report))
    }

    fn options(self, places: Option<&Places>) -> Result<(VerifyOptions, KeySource), Failure> {
        let is_local = match (&self.dir, places) {
            (None, _) => true,
            (Some(dir), Some(places)) => {
                is_same(dir, &places.ledger_dir())
                    || is_same(dir, &places.state_dir)
                    || is_same(dir, &places.config_dir)
            }
            (Some(_), None) => false,
        };
        let local_key = places.map(Places::entry_public_key).filter(|path| path.exists());
        let (key, source) = match (self.key, local_key) {
            (Some(key), _) => (Some(key), KeySource::Flag),
            (None, Some(key)) if is_local => (Some(key), KeySource::Own),
            (None, Some(key)) => (Some(key), KeySource::Assumed),
            (None, None) => (None, KeySource::None),
        };
        let dir = match (self.dir, places) {
            (Some(dir), _) => dir,
            (None, Some(places)) => places.ledger_dir(),
            (None, None) => return Err(Failure::usage("there is no directory to verify")),
        };
        // A copy may be older than what the gate remembers; its own ledger may not.
        let own = places.filter(|_| is_local).map(Places::last_checkpoint).filter(|path| path.exists());
        let checkpoints = own.into_iter().chain(self.checkpoint).collect();
        Ok((VerifyOptions { dir, key, checkpoints, since: self.since, payload_key: self.payloads }, source))
    }
}

/// One bundle, by itself.
fn proved(bundle: &Path, key: Option<&Path>, console: &Console) -> Result<Exit, Failure> {
    let key = key.ok_or_else(|| {
        Failure::usage("a bundle names its own key, which proves nothing, and there is no gate here whose key it could be")
            .remedy("give the gate's public key with --key FILE")
    })?;
    let proved = bundle_proved(bundle, key).map_err(|error| unverifiable(&error))?;
    let proved = proved.map_err(|error| {
        let what = format!("{}: NOT proved by {}: {error}", bundle.display(), key.display());
        Failure::new(Exit::VerificationFailed, what)
            .remedy("give that gate's own key with --key FILE, or ask its operator for another: latchgate ledger proof")
    })?;
    let (checkpoint, entries) = (&proved.checkpoint, &proved.entries);
    if console.is_json() {
        let payloads = &proved.payloads;
        let entries: Vec<_> = entries.iter().map(|entry| json!(entry)).collect();
        console.json(&json!({
            "verified": true,
            "origin": checkpoint.origin,
            "checkpoint_size": checkpoint.size,
            "entries": entries,
            "payloads": payloads,
        }))?;
        return Ok(Exit::Done);
    }
    let mut facts = Facts::default();
    facts.add("gate", styled(&checkpoint.origin));
    facts.add("signed", format!("a checkpoint over {} entries", checkpoint.size));
    facts.add("key", format!("from {}", styled(&key.display().to_string())));
    for entry in entries {
        let value = json!(entry);
        let kind = value["kind"].as_str().unwrap_or_default();
        facts.add("entry", format!("{} {kind} at {}", entry.seq, entry.time));
    }
    for payload in &proved.payloads {
        facts.add("payload", format!("{payload:?}: as the entry names it").to_lowercase());
    }
    facts.add("result", "proved: the entries are signed and in that log".green().to_string());
    console.result(&facts.render())?;
    Ok(Exit::Done)
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn unverifiable(error: &VerifyError) -> Failure {
    match error {
        VerifyError::NoLedger(_) => {
            Failure::usage(error.to_string()).remedy("a first `latchgate up` makes one")
        }
        VerifyError::Key { .. } => {
            Failure::usage(error.to_string()).remedy("give the gate's state/keys/entry.pub")
        }
        VerifyError::Bundle { .. } => {
            Failure::usage(error.to_string()).remedy("`latchgate ledger proof RECEIPT --out FILE` writes one")
        }
        VerifyError::Ledger(_) => Failure::new(Exit::VerificationFailed, error.to_string())
            .remedy("the ledger cannot be read: compare it with your backup"),
    }
}

pub fn exit(report: &Report) -> Exit {
    match (report.findings.is_empty(), report.pinned) {
        (false, _) => Exit::VerificationFailed,
        (true, false) => Exit::Usage,
        (true, true) => Exit::Done,
    }
}

fn document(report: &Report, options: &VerifyOptions) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| json!({ "seq": finding.seq, "rule": finding.rule, "message": finding.message }))
        .collect();
    json!({
        "verified": exit(report) == Exit::Done,
        "dir": options.dir,
        "origin": report.origin,
        "entries": report.entries,
        "checkpoint_size": report.checkpoint_size,
        "checkpoints": report.checkpoints,
        "key": report.key,
        "keys": report.keys,
        "pinned": report.pinned,
        "findings": findings,
        "notes": report.notes,
    })
}

fn sheet(report: &Report, options: &VerifyOptions, source: KeySource) -> String {
    let mut facts = Facts::default();
    facts.add("ledger", styled(&options.dir.display().to_string()));
    facts.add("gate", report.origin.as_deref().map_or_else(|| "unknown".into(), styled));
    facts.add("entries", report.entries.to_string());
    facts.add(
        "signed",
        match report.checkpoint_size {
            Some(size) if report.checkpoints > 0 => {
                format!("a checkpoint over {size} entries, and {} in its history", report.checkpoints)
            }
            Some(size) => format!("a checkpoint over {size} entries"),
            None => "no checkpoint".into(),
        },
    );
    facts.add("key", key_line(report, options, source));
    for note in &report.notes {
        facts.add("note", styled(note));
    }
    for finding in &report.findings {
        let place = finding.seq.map_or_else(|| "ledger".to_owned(), |seq| format!("entry {seq}"));
        facts.add(
            "finding",
            format!("{}: {} ({})", place.red().bold(), styled(&finding.message), finding.rule),
        );
    }
    facts.add("result", result_line(report));
    if !report.findings.is_empty() && source == KeySource::Assumed {
        facts.add("next", "if this is another gate's ledger, give that gate's key with --key FILE");
    } else if !report.findings.is_empty() {
        facts.add("next", "keep this copy, and compare it with your backup");
    } else if !report.pinned {
        facts.add("next", "give the gate's public key with --key FILE");
    }
    facts.render()
}

fn key_line(report: &Report, options: &VerifyOptions, source: KeySource) -> String {
    let key = report.key.as_deref().map_or_else(|| "none".into(), styled);
    let path = options.key.as_deref().map(|path| styled(&path.display().to_string())).unwrap_or_default();
    match (source, report.pinned) {
        (KeySource::Flag | KeySource::Own | KeySource::Assumed, true) => format!("{key} (from {path})"),
        (KeySource::Flag | KeySource::Own | KeySource::Assumed, false) | (KeySource::None, _) => {
            format!("{key} (the ledger's own word)")
        }
    }
}

fn result_line(report: &Report) -> String {
    match exit(report) {
        Exit::Done => "verified: signatures, tree, checkpoints and meaning agree".green().to_string(),
        Exit::Usage => {
            "self-consistent, key unpinned: whoever wrote it could have written anything".yellow().to_string()
        }
        _ => {
            let count = report.findings.len();
            let word = if count == 1 { "finding" } else { "findings" };
            format!("NOT verified: {count} {word}").red().bold().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;
    use latchgate_daemon::verify::Finding;

    fn report(findings: Vec<Finding>, pinned: bool) -> Report {
        Report {
            origin: Some("latchgate/01J".into()),
            entries: 12,
            key: Some("abc".into()),
            keys: Vec::new(),
            pinned,
            checkpoint_size: Some(10),
            checkpoints: 3,
            findings,
            notes: Vec::new(),
        }
    }

    fn options() -> VerifyOptions {
        VerifyOptions {
            dir: "/l".into(),
            key: Some("/k".into()),
            checkpoints: Vec::new(),
            since: None,
            payload_key: None,
        }
    }

    fn of(dir: Option<PathBuf>) -> Verify {
        Verify { dir, key: None, bundle: None, checkpoint: Vec::new(), since: None, payloads: None }
    }

    fn altered() -> Vec<Finding> {
        vec![Finding { seq: Some(7), rule: "signature", message: "the entry was altered".into() }]
    }

    #[test]
    fn a_sound_ledger_with_a_trusted_key_is_done() {
        let expected = "\
ledger    /l
gate      latchgate/01J
entries   12
signed    a checkpoint over 10 entries, and 3 in its history
key       abc (from /k)
result    verified: signatures, tree, checkpoints and meaning agree";
        assert_eq!(stripped(&sheet(&report(vec![], true), &options(), KeySource::Flag)), expected);
        assert_eq!(exit(&report(vec![], true)), Exit::Done);
    }

    #[test]
    fn a_finding_names_its_entry_and_ends_with_6() {
        let shown = stripped(&sheet(&report(altered(), true), &options(), KeySource::Flag));
        assert!(shown.contains("finding   entry 7: the entry was altered (signature)"), "{shown}");
        assert!(shown.contains("result    NOT verified: 1 finding\n"), "{shown}");
        assert_eq!(exit(&report(altered(), true)), Exit::VerificationFailed);
        assert_eq!(exit(&report(altered(), false)), Exit::VerificationFailed);
    }

    #[test]
    fn without_a_key_there_is_only_consistency_and_exit_code_2() {
        let unpinned = report(vec![], false);
        let shown = stripped(&sheet(&unpinned, &VerifyOptions { key: None, ..options() }, KeySource::None));
        assert!(shown.contains("self-consistent, key unpinned"), "{shown}");
        assert_eq!(exit(&unpinned), Exit::Usage);
    }

    #[test]
    fn trust_never_comes_from_the_directory_that_is_checked() {
        let (home, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [home.path(), local.path()] {
            std::fs::create_dir_all(dir.join("state/keys")).unwrap();
        }
        std::fs::write(home.path().join("state/keys/entry.pub"), "x").unwrap();
        let places = Places::at_home(local.path());
        let verify = || of(Some(home.path().to_owned()));
        let (options, source) = verify().options(Some(&places)).unwrap();
        assert_eq!((options.key, options.checkpoints, source), (None, Vec::new(), KeySource::None));
        std::fs::write(places.entry_public_key(), "x").unwrap();
        let (options, source) = verify().options(Some(&places)).unwrap();
        assert_eq!((options.key, source), (Some(places.entry_public_key()), KeySource::Assumed));
        assert_eq!(options.checkpoints, Vec::<PathBuf>::new());
    }

    #[test]
    fn the_local_ledger_must_contain_what_the_gate_remembers() {
        let local = tempfile::tempdir().unwrap();
        let places = Places::at_home(local.path());
        std::fs::create_dir_all(places.keys_dir()).unwrap();
        std::fs::write(places.last_checkpoint(), "x").unwrap();
        let (options, _) = of(None).options(Some(&places)).unwrap();
        assert_eq!(options.dir, places.ledger_dir());
        assert_eq!(options.checkpoints, [places.last_checkpoint()]);
        let (options, _) = of(Some(local.path().to_owned())).options(Some(&places)).unwrap();
        assert_eq!(options.checkpoints, [places.last_checkpoint()]);
    }
}
