//! `policy allow|allowed|disallow`: hosts that an operator allowed beside the rules written by hand.

use clap::Args;
use latchgate_client::{ClientError, OperatorClient};
use latchgate_wire::api::{AllowRequest, AllowanceInfo, AllowlistChanged};
use latchgate_wire::principal::Principal;
use owo_colors::OwoColorize as _;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;

/// Let an action reach one host without a question, for one principal; rules that deny still deny
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate policy allow http_fetch docs.example.com --for uid:1000")]
pub struct Allow {
    /// The action, such as http_fetch
    action: String,
    /// One host by its name; patterns are for rules written by hand
    host: String,
    /// Whom: uid:1000, agent:NAME or jail:NAME
    #[arg(long = "for", value_name = "PRINCIPAL")]
    principal: Principal,
}

/// List the hosts that operators allowed, each with its rule
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate policy allowed")]
pub struct Allowed {}

/// Take an allowed host back: what was asked about it before is asked again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate policy disallow allowed.5f0c1d2e3a4b5c6d")]
pub struct Disallow {
    /// The rule, as `latchgate policy allowed` names it
    rule: String,
}

impl Allow {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let request = AllowRequest { principal: self.principal, action_id: self.action, host: self.host };
        let changed = operator.allow(&request).await?;
        said("allowed", &changed, &format!("latchgate policy disallow {}", changed.allowance.rule), console)
    }
}

impl Allowed {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let list = operator.allowlist().await?;
        if console.is_json() {
            console.json(&list)?;
        } else if list.allowances.is_empty() {
            console.note("no host is allowed beside the rules written by hand");
        } else {
            let sheets: Vec<String> = list.allowances.iter().map(|allowed| sheet(allowed).render()).collect();
            console.result(&sheets.join("\n\n"))?;
            console.note("next: latchgate policy disallow RULE");
        }
        Ok(Exit::Done)
    }
}

impl Disallow {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let changed = operator.disallow(&self.rule).await.map_err(|error: ClientError| {
            Failure::from(error).remedy("`latchgate policy allowed` lists what can be taken back")
        })?;
        said("no longer allowed", &changed, "latchgate policy allowed", console)
    }
}

fn said(what: &str, changed: &AllowlistChanged, next: &str, console: &Console) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(changed)?;
    } else {
        let mut facts = sheet(&changed.allowance);
        facts.add("policy", changed.policy_digest.to_string());
        facts.add("entry", changed.log_index.to_string());
        console.result(&format!("{}\n{}", what.bold(), facts.render()))?;
        console.note(&format!("next: {next}"));
    }
    Ok(Exit::Done)
}

fn sheet(allowed: &AllowanceInfo) -> Facts {
    let mut facts = Facts::default();
    facts
        .add("rule", styled(&allowed.rule))
        .add("for", allowed.principal.to_string())
        .add("action", styled(&allowed.action_id))
        .add("host", styled(&allowed.host))
        .add(
            "instead",
            match allowed.instead_of.as_slice() {
                [] => "no question: nothing allowed it before".into(),
                rules => rules.iter().map(|rule| styled(rule)).collect::<Vec<_>>().join(", "),
            },
        );
    facts
}
