//! `policy explain`: which rules fired for a call, where they are written, and what would change the verdict.

use clap::Args;
use latchgate_daemon::policy::explained::{Recorded, Supposition, Told, recorded, suppose};
use latchgate_daemon::policy::sets::SetName;
use latchgate_wire::json;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, Verdict};
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::{failure, toned};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate policy explain --action fs_read --args '{\"path\":\".env\"}'
  latchgate policy explain --action fs_write --args '{\"path\":\"a\",\"content\":\"x\"}' --as agent:ci --at 2026-11-20T09:30:00Z
  latchgate policy explain rcpt_01JD3G0000000000000000000E
  latchgate policy explain --policy preset:coding --action fs_list --args '{\"path\":\"\"}'

With an id (of a receipt, a trace or an approval, or an entry's number) the call
is judged by the policy recorded for it, and by that of today. This reads the
gate's own files: only who owns them can, and no agent learns a rule by it.";

/// Say which rules decide a call, and what would change that
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The id of a receipt, trace or approval, or the number of an entry
    #[arg(required_unless_present = "action", conflicts_with = "action")]
    id: Option<String>,
    /// The action of a call that nobody made
    #[arg(long)]
    action: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", requires = "action", hide_default_value = true)]
    args: String,
    /// Who would call: uid:N, agent:NAME or jail:NAME [default: you]
    #[arg(long = "as", value_name = "PRINCIPAL", requires = "action")]
    principal: Option<Principal>,
    /// What the client calls itself
    #[arg(long, value_name = "NAME", requires = "action")]
    agent: Option<String>,
    /// service, jail or same-user [default: what the gate would see of that principal]
    #[arg(long, value_parser = boundary, requires = "action")]
    boundary: Option<Boundary>,
    /// When: a time like 2026-11-20T09:30:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = at, requires = "action")]
    at: Option<Timestamp>,
    /// Calls that the lease's budget leaves
    #[arg(long, value_name = "N", requires = "action")]
    calls_left: Option<u64>,
    /// The set to explain by: a directory or file, preset:NAME, or home
    #[arg(long, value_name = "SET", default_value = "home", requires = "action")]
    policy: SetName,
}

fn at(text: &str) -> Result<Timestamp, String> {
    when::parse_point(text, when::now())
}

fn boundary(text: &str) -> Result<Boundary, String> {
    let known = [Boundary::Service, Boundary::Jail, Boundary::SameUser];
    let found = known.into_iter().find(|boundary| boundary.as_str() == text);
    found.ok_or_else(|| "expected service, jail or same-user".to_owned())
}

impl Explain {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        if let Some(id) = &self.id {
            let found = recorded(&places, id).map_err(|error| failure(&error))?;
            if console.is_json() {
                console.json(&found)?;
            } else {
                console.result(&record(&found))?;
            }
            return Ok(Exit::Done);
        }
        let (policy, call) = self.supposition()?;
        let told = suppose(&places, &policy, &call).map_err(|error| failure(&error))?;
        if console.is_json() {
            console.json(&told)?;
        } else {
            let mut facts = Facts::default();
            about(&mut facts, &told);
            sheet(&mut facts, &told);
            console.result(&facts.render())?;
        }
        Ok(Exit::Done)
    }

    fn supposition(self) -> Result<(SetName, Supposition), Failure> {
        let limits = json::Limits { bytes_max: 1 << 20, depth_max: 32 };
        let args = json::parse(self.args.as_bytes(), limits)
            .map_err(|error| Failure::usage(format!("--args: {error}")).remedy("give a JSON object"))?;
        let own = Principal::Uid(rustix::process::geteuid().as_raw());
        let call = Supposition {
            action: self.action.unwrap_or_default(),
            args,
            principal: self.principal.unwrap_or(own),
            agent: self.agent,
            boundary: self.boundary,
            at: self.at.unwrap_or_else(when::now),
            calls_left: self.calls_left,
        };
        Ok((self.policy, call))
    }
}

fn verdict(verdict: Verdict) -> String {
    let word = toned(verdict).0;
    match verdict {
        Verdict::Allow => word.green().to_string(),
        Verdict::Ask => word.yellow().to_string(),
        Verdict::Deny => word.red().to_string(),
    }
}

fn about(facts: &mut Facts, told: &Told) {
    facts.add("call", format!("{} as {}, boundary {}", told.action, told.principal, told.boundary.as_str()));
    facts.add("at", when::short(told.at));
}

/// The verdict, every rule that fired, and what would change it.
fn sheet(facts: &mut Facts, told: &Told) {
    let explained = &told.explanation;
    let decided = format!("{} by {}", verdict(explained.verdict), styled(&explained.rule).bold());
    facts.add("verdict", decided);
    if let Some(would) = &explained.would {
        let by = styled(&would.rule);
        facts.add("would be", format!("{} by {by}, if this gate did not observe", verdict(would.verdict)));
    }
    if let Some(reason) = &explained.reason {
        facts.add("told", format!("the agent: {}", styled(reason)));
    }
    if let Some(why) = &explained.ask_reason {
        facts.add("asks", styled(why));
    }
    for (i, fired) in explained.fired.iter().enumerate() {
        let rule = &fired.rule;
        let mark = if fired.decided { ", decides" } else { "" };
        let error =
            fired.error.as_ref().map(|error| format!(", fails: {}", styled(error))).unwrap_or_default();
        let effect = verdict(rule.effect);
        let line = format!("{effect} {} ({}:{}){mark}{error}", rule.id, styled(&rule.file), rule.line);
        if i == 0 {
            facts.add("fired", line)
        } else {
            facts.more(line)
        };
    }
    if explained.fired.is_empty() {
        facts.add("fired", "no rule; what no rule permits is denied");
    }
    let changes: Vec<String> = explained.changes.iter().map(|change| styled(change)).collect();
    facts.add_lines("change", &changes);
}

fn record(found: &Recorded) -> String {
    let mut facts = Facts::default();
    facts.add("entry", format!("{} {}", found.log_index, found.kind));
    facts.add("call", format!("{} as {}", styled(&found.action), found.principal));
    match (&found.policy, &found.error) {
        (Some(policy), _) => {
            let by = styled(&policy.rule);
            facts.add("recorded", format!("{} by {by}, policy {}", verdict(policy.verdict), policy.digest));
        }
        (None, Some(error)) => {
            facts.add("recorded", format!("refused as {error}, which is not policy's answer"));
        }
        (None, None) => {}
    }
    if let Some(told) = &found.then {
        sheet(&mut facts, told);
    }
    if let Some(note) = &found.note {
        facts.add("note", styled(note));
    }
    match &found.today {
        Some(today) if found.differs => {
            let by = styled(&today.explanation.rule);
            facts.add("today", format!("{} by {by}: this differs", verdict(today.explanation.verdict)));
        }
        Some(_) => {
            facts.add("today", "the policy of the home answers the same");
        }
        None => {}
    }
    facts.render()
}
