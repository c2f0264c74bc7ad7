//! `reload`: manifests and policies are read anew, all of them or none.

use clap::Args;
use latchgate_wire::api::{ReloadRequest, Reloaded};
use latchgate_wire::digest::Digest;
use owo_colors::OwoColorize as _;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::wait;

const EXAMPLES: &str = "\
Examples:
  latchgate reload
  latchgate reload --expect sha256:4bf1...

With a problem in any file nothing changes, and the exit code is 2.";

/// Put changed manifests and policies in force
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Reload {
    /// Change nothing unless this policy is in force now, by its digest in `latchgate status`
    #[arg(long, value_name = "DIGEST")]
    expect: Option<Digest>,
    #[command(flatten)]
    operator: AsOperator,
}

impl Reload {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let request = ReloadRequest { expect: self.expect };
        let reloaded =
            wait::show(console, "reading manifests and policies", operator.reload(&request)).await?;
        if console.is_json() {
            console.json(&reloaded)?;
        } else {
            console.result(&sheet(&reloaded))?;
        }
        Ok(Exit::Done)
    }
}

fn sheet(reloaded: &Reloaded) -> String {
    let mut facts = Facts::default();
    facts
        .add("policy", reloaded.policy_digest.to_string())
        .add("actions", reloaded.actions_registered.to_string())
        .add("next", "latchgate audit --kind config.changed --limit 1");
    if reloaded.observes {
        facts.add("OBSERVES", OBSERVES.yellow().bold().to_string());
    }
    facts.render()
}

/// Said wherever such a gate is spoken of.
pub const OBSERVES: &str = "a rule with @observe is in force: what it covers is denied, and what the other rules would answer is recorded";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn what_is_in_force_is_shown() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reloaded: Reloaded =
            serde_json::from_value(serde_json::json!({ "actions_registered": 5, "policy_digest": digest }))
                .unwrap();
        let expected = format!(
            "policy    {digest}\nactions   5\nnext      latchgate audit --kind config.changed --limit 1"
        );
        assert_eq!(stripped(&sheet(&reloaded)), expected);
    }
}
