//! An approval that answers later calls, in words: what stays fixed, what may vary, until when, how often.

use latchgate_wire::api::{ApprovalDetail, ReachRequest};
use latchgate_wire::lease::session_end;
use latchgate_wire::receipt::ApprovalScope;
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::facts::{Facts, LABEL_COLUMNS};
use super::{arguments, content, plan};
use crate::visible::styled;
use crate::when;

/// The rule that the gate makes of it. Nothing of it is folded.
pub fn words(
    detail: &ApprovalDetail,
    scope: ApprovalScope,
    reach: &ReachRequest,
    now: Timestamp,
    width: Option<usize>,
) -> String {
    let info = &detail.info;
    let columns = width.map(|width| width.saturating_sub(LABEL_COLUMNS));
    let mut rule = Facts::default();
    rule.line(
        "besides this call, later ones are executed without asking if all of this is so".bold().to_string(),
    );
    rule.add("principal", info.principal.to_string());
    rule.add(
        "session",
        match scope {
            ApprovalScope::Session => format!("{} and no other", info.session_id),
            ApprovalScope::Once | ApprovalScope::Always => "any of this principal's".to_owned(),
        },
    );
    rule.add("action", format!("{}, as its manifest is now", styled(&info.action_id)));
    rule.add("rule", format!("{}, as it is written now", styled(&detail.rule)));
    let targets = plan::targets(&detail.plan);
    let targets: Vec<String> = targets.iter().flat_map(|target| content::broken(target, columns)).collect();
    rule.add_lines("target", &targets);
    let is_fixed = |name: &str| !reach.free.iter().any(|free| free == name);
    let mut fixed = arguments::named(&detail.arguments, is_fixed, columns);
    if fixed.is_empty() {
        fixed.push("no argument".into());
    }
    rule.add_lines("fixed", &fixed);
    rule.add("may vary", free(&reach.free));
    rule.add("until", until(detail, scope, reach, now));
    rule.add("uses", format!("{} further calls at most", reach.max_uses));
    rule.add("revoke", format!("latchgate approvals standing revoke {}", info.approval_id));
    rule.render()
}

fn free(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".into();
    }
    let names: Vec<String> = names.iter().map(|name| styled(name).yellow().bold().to_string()).collect();
    format!("{}: whatever the action takes; the target above stays", names.join(", "))
}

fn until(detail: &ApprovalDetail, scope: ApprovalScope, reach: &ReachRequest, now: Timestamp) -> String {
    let for_ms = i64::try_from(reach.for_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let asked = now.plus_ms(for_ms);
    let ends = session_end(detail.info.session_id);
    let in_words =
        |time: Timestamp| format!("{} UTC, {} from now", when::short(time), when::span(time.since(now)));
    match scope {
        ApprovalScope::Session if ends <= asked => {
            format!("the session ends, at the latest {}", in_words(ends))
        }
        ApprovalScope::Session => format!("{}, or the session's end before", in_words(asked)),
        ApprovalScope::Once | ApprovalScope::Always => in_words(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::approval::tests::detail;
    use crate::render::stripped;

    fn shown(scope: ApprovalScope, free: &[&str], for_s: u64) -> String {
        let reach =
            ReachRequest { free: free.iter().map(|&name| name.to_owned()).collect(), for_s, max_uses: 20 };
        stripped(&words(&detail(), scope, &reach, "2026-11-20T09:30:00.000Z".parse().unwrap(), None))
    }

    #[test]
    fn the_rule_says_what_stays_and_what_may_vary() {
        let expected = "\
besides this call, later ones are executed without asking if all of this is so
principal uid:1000
session   any of this principal's
action    fs_write, as its manifest is now
rule      ask-to-write, as it is written now
target    write a
fixed     path = \"a\"
may vary  content: whatever the action takes; the target above stays
until     2026-11-27 09:30:00 UTC, 7 d from now
uses      20 further calls at most
revoke    latchgate approvals standing revoke appr_01JD3G0000000000000000000F";
        assert_eq!(shown(ApprovalScope::Always, &["content"], 7 * 86_400), expected);
    }

    #[test]
    fn without_a_free_argument_every_one_is_fixed() {
        let shown = shown(ApprovalScope::Session, &[], 60);
        assert!(shown.contains("content = \"x\\n\""), "{shown}");
        assert!(shown.contains("may vary  nothing\n"), "{shown}");
        assert!(shown.contains("session   sess_01JD3G0000000000000000000A and no other"), "{shown}");
    }
}
