//! The policy of a home as its files say it: what a start or a reload would put in force.

use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::{Budget, RuleSummary};
use latchgate_wire::digest::Digest;

use crate::home::places::Places;
use crate::setup::loading;
use crate::setup::start::StartError;

/// A home's policy, read and validated.
#[derive(Clone, Debug)]
pub struct HomePolicy {
    /// As `status` and the ledger name it.
    pub digest: Digest,
    /// Every file after a line `// file: NAME`; plain rules as the Cedar that they become.
    pub cedar: String,
    pub rules: Vec<RuleSummary>,
    pub budgets: Vec<Budget>,
    /// Whether a rule only observes.
    pub observes: bool,
}

impl HomePolicy {
    /// # Errors
    /// Every problem of the home's manifests and policies, as a start would tell them.
    pub fn load(places: &Places) -> Result<Self, StartError> {
        let catalog: Catalog = loading::catalog(places)?;
        let policy = &catalog.policy;
        Ok(Self {
            digest: policy.digest(),
            cedar: policy.cedar_text(),
            rules: policy.rules_summary(),
            budgets: policy.budgets().to_vec(),
            observes: policy.observes(),
        })
    }
}
