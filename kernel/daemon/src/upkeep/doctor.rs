//! What is wrong with a home and its machine, in findings that each name their remedy. Nothing is written, nothing started.
//!
//! Read in this order: `finding` (what is said), then what is looked at: `places` (whose files are whose), `content`
//! (settings, keys, operators), `ledger`, `machine`.

mod content;
mod finding;
mod ledger;
mod machine;
mod places;

use std::os::unix::fs::MetadataExt as _;

pub use finding::{Finding, Level, word};

use crate::home::places::Places;

/// Everything that can be seen without a running gate.
pub fn examine(places: &Places) -> Vec<Finding> {
    let mut findings = home(places);
    findings.extend(machine::examine());
    findings
}

fn home(places: &Places) -> Vec<Finding> {
    let home = places.config_dir.display();
    if !places.config_file().exists() {
        let what = format!("there is no home at {home} yet");
        return vec![Finding::warning("home", what).run("latchgate up --detach")];
    }
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(&places.config_dir).map_or(own, |found| found.uid());
    // Another user's home can be judged only with that user's eyes: owner and mode are about who looks.
    if own == 0 && owner != own {
        let what = format!("{home} belongs to uid {owner}, and you are root");
        let means = "its files, keys and ledger were not looked at";
        let command = format!("setpriv --reuid {owner} --clear-groups latchgate doctor");
        return vec![Finding::warning("home", what).means(means).run(command)];
    }
    let places::Looked { mut findings, told } = places::examine(places);
    findings.extend(content::settings(places, &told));
    findings.extend(content::keys(places));
    findings.extend(content::secrets(places));
    findings.extend(content::operators(places));
    findings.extend(ledger::examine(places));
    findings.extend(machine::disk(&places.state_dir));
    findings
}
