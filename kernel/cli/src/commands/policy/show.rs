//! `policy show`: the policy of the local home as Cedar.

use std::io;

use latchgate_daemon::{HomePolicy, Places, StartError};
use latchgate_wire::digest::Digest;

use super::super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible;

pub async fn run(global: &Global, operator: &str, console: &Console) -> Result<Exit, Failure> {
    let places = connect::places()?;
    let policy = load(&places)?;
    let running = in_force(global, operator).await;
    if console.is_json() {
        let document = serde_json::json!({
            "policy_digest": policy.digest, "in_force": running, "cedar": policy.cedar, "rules": policy.rules,
            "budgets": policy.budgets,
        });
        console.json(&document)?;
    } else {
        console.result(&visible::multiline(&text(&policy)))?;
        console.note(&remark(&policy.digest, running.as_ref()));
    }
    Ok(Exit::Done)
}

fn load(places: &Places) -> Result<HomePolicy, Failure> {
    HomePolicy::load(places).map_err(|error| match &error {
        StartError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Failure::usage(error.to_string()).remedy("a first `latchgate up` makes a home with a policy")
        }
        StartError::Catalog(_) => {
            Failure::usage(error.to_string()).remedy("mend the files; `latchgate config check` looks again")
        }
        _ => Failure::new(Exit::Failed, error.to_string()),
    })
}

/// Budgets are no Cedar: they stand behind it as comments, so that the whole can be put in force as it is.
fn text(policy: &HomePolicy) -> String {
    let budgets = policy.budgets.iter().map(|budget| format!("\n// budget: {budget}"));
    format!("{}{}", policy.cedar, budgets.collect::<String>())
}

/// What the running gate judges by, if one runs and tells us.
async fn in_force(global: &Global, operator: &str) -> Option<Digest> {
    let status = connect::operator(global.socket(), operator).ok()?.status().await.ok()?;
    Some(status.policy_digest)
}

fn remark(files: &Digest, running: Option<&Digest>) -> String {
    match running {
        None => format!("policy {files}; no gate was asked whether it is in force"),
        Some(digest) if digest == files => format!("policy {files}, in force"),
        Some(digest) => {
            format!("policy {files}; the gate still judges by {digest}\nnext: latchgate reload")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_was_not_made_names_the_command_that_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let failure = load(&Places::at_home(dir.path())).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.remedy.unwrap().contains("latchgate up"));
    }

    #[test]
    fn files_that_are_not_yet_in_force_are_said_to_be_so() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        assert!(remark(&one, Some(&one)).ends_with(", in force"));
        assert!(remark(&one, Some(&other)).ends_with("next: latchgate reload"));
        assert!(remark(&one, None).contains("no gate was asked"));
    }
}
