//! The scopes wider than one call: what an operator leaves open, within bounds, and changes before agreeing.

use std::time::Duration;

use clap::{Args, ValueEnum};
use latchgate_wire::api::{ApprovalDetail, ReachRequest};
use latchgate_wire::receipt::ApprovalScope;
use serde_json::Value;

use crate::console::Console;
use crate::exit::Failure;
use crate::when;

const DAY_S: u64 = 86_400;
const FOR_S_MAX: u64 = 366 * DAY_S;
const USES_MAX: u64 = 1_000_000;

/// How far the approval reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// This call
    Once,
    /// This call and later ones like it, in its session
    Session,
    /// This call and later ones like it, in any session of the principal
    Always,
}

/// The flags.
#[derive(Debug, Args)]
pub struct Wider {
    /// How far the approval reaches
    #[arg(long, value_enum, default_value_t = Scope::Once)]
    pub scope: Scope,
    /// An argument that may differ in later calls; all others stay as they are in this one
    #[arg(long = "any", value_name = "ARG")]
    free: Vec<String>,
    /// For how long, such as 7d [default: until the session ends; for `always` 30d]
    #[arg(long = "for", value_name = "TIME", value_parser = when::parse_duration)]
    within: Option<Duration>,
    /// For how many later calls [default: 100; for `always` 1000]
    #[arg(long, value_name = "COUNT")]
    uses: Option<u64>,
}

impl Wider {
    /// What is asked of the gate; `None` for a single call.
    pub fn reach(&self, detail: &ApprovalDetail) -> Result<Option<ReachRequest>, Failure> {
        let Some(usual) = usual(self.scope) else { return Ok(None) };
        let reach = ReachRequest {
            free: self.free.clone(),
            for_s: self.within.map_or(usual.for_s, |time| time.as_secs()),
            max_uses: self.uses.unwrap_or(usual.max_uses),
        };
        checked(reach, &detail.arguments).map(Some)
    }

    /// Flags of a wider scope say nothing about a single call.
    pub fn check(&self) -> Result<(), Failure> {
        let is_narrow = self.free.is_empty() && self.within.is_none() && self.uses.is_none();
        if self.scope == Scope::Once && !is_narrow {
            return Err(Failure::usage("--any, --for and --uses say how far a wider approval reaches")
                .remedy("add --scope session or --scope always"));
        }
        Ok(())
    }
}

impl From<Scope> for ApprovalScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Once => Self::Once,
            Scope::Session => Self::Session,
            Scope::Always => Self::Always,
        }
    }
}

/// What a scope means where nothing else is said: no argument may vary. `None` for a single call.
pub fn usual(scope: Scope) -> Option<ReachRequest> {
    match scope {
        Scope::Once => None,
        Scope::Session => Some(ReachRequest { free: Vec::new(), for_s: DAY_S, max_uses: 100 }),
        Scope::Always => Some(ReachRequest { free: Vec::new(), for_s: 30 * DAY_S, max_uses: 1000 }),
    }
}

/// Asks for each part anew; an empty line leaves it.
pub async fn edit(
    console: &Console,
    detail: &ApprovalDetail,
    reach: ReachRequest,
) -> Result<ReachRequest, Failure> {
    let free = if reach.free.is_empty() { "none".to_owned() } else { reach.free.join(" ") };
    let free = console.ask(&format!("arguments that may vary, `none` for none [{free}]:")).await?;
    let span = when::span(i64::try_from(reach.for_s.saturating_mul(1000)).unwrap_or(i64::MAX));
    let within = console.ask(&format!("for how long, such as 12h or 7d [{span}]:")).await?;
    let uses = console.ask(&format!("how many later calls [{}]:", reach.max_uses)).await?;
    edited(detail, reach, [&free, &within, &uses])
}

fn edited(
    detail: &ApprovalDetail,
    mut reach: ReachRequest,
    [free, within, uses]: [&str; 3],
) -> Result<ReachRequest, Failure> {
    match free {
        "" => {}
        "none" => reach.free.clear(),
        names => {
            let names = names.split([' ', ',']).filter(|name| !name.is_empty());
            reach.free = names.map(str::to_owned).collect();
        }
    }
    if !within.is_empty() {
        reach.for_s = when::parse_duration(within).map_err(Failure::usage)?.as_secs();
    }
    if !uses.is_empty() {
        reach.max_uses =
            uses.parse().map_err(|_| Failure::usage(format!("expected a number of calls, not `{uses}`")))?;
    }
    checked(reach, &detail.arguments)
}

fn checked(mut reach: ReachRequest, arguments: &Value) -> Result<ReachRequest, Failure> {
    reach.free.sort_unstable();
    reach.free.dedup();
    if let Some(name) = reach.free.iter().find(|name| arguments.get(name.as_str()).is_none()) {
        let names: Vec<&str> = arguments.as_object().into_iter().flatten().map(|(name, _)| &**name).collect();
        return Err(Failure::usage(format!("the call has no argument `{name}`"))
            .remedy(format!("it has: {}", names.join(", "))));
    }
    if !(1..=FOR_S_MAX).contains(&reach.for_s) {
        return Err(Failure::usage("expected a time of 1s to 366d"));
    }
    if !(1..=USES_MAX).contains(&reach.max_uses) {
        return Err(Failure::usage("expected 1 to 1000000 later calls"));
    }
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::approval::tests::detail;

    fn reach(wider: &Wider) -> Result<Option<ReachRequest>, String> {
        wider.reach(&detail()).map_err(|failure| failure.what)
    }

    fn wider(scope: Scope, free: &[&str]) -> Wider {
        let free = free.iter().map(|&name| name.to_owned()).collect();
        Wider { scope, free, within: None, uses: None }
    }

    #[test]
    fn each_scope_has_its_bounds() {
        assert_eq!(reach(&wider(Scope::Once, &[])), Ok(None));
        assert_eq!(reach(&wider(Scope::Session, &[])), Ok(usual(Scope::Session)));
        let always = reach(&wider(Scope::Always, &["content", "content"])).unwrap().unwrap();
        assert_eq!((always.for_s, always.max_uses), (30 * DAY_S, 1000));
        assert_eq!(always.free, ["content"]);
    }

    #[test]
    fn what_the_call_does_not_have_cannot_be_left_open() {
        assert_eq!(reach(&wider(Scope::Always, &["mode"])), Err("the call has no argument `mode`".into()));
    }

    #[test]
    fn flags_of_a_wider_scope_are_refused_for_one_call() {
        assert!(wider(Scope::Once, &["content"]).check().is_err());
        assert!(wider(Scope::Session, &["content"]).check().is_ok());
    }

    #[test]
    fn an_empty_line_leaves_each_part_as_it_is() {
        let begun = ReachRequest { free: vec!["path".into()], for_s: 60, max_uses: 5 };
        let edit = |lines| edited(&detail(), begun.clone(), lines).map_err(|failure| failure.what);
        assert_eq!(edit(["", "", ""]), Ok(begun.clone()));
        let expected = ReachRequest { free: vec!["content".into(), "path".into()], for_s: 7200, max_uses: 9 };
        assert_eq!(edit(["path, content", "2h", "9"]), Ok(expected));
        assert_eq!(edit(["none", "", ""]), Ok(ReachRequest { free: vec![], ..begun.clone() }));
        for lines in [["nothing", "", ""], ["", "soon", ""], ["", "", "many"], ["", "0s", ""], ["", "", "0"]]
        {
            assert!(edit(lines).is_err(), "{lines:?}");
        }
    }
}
