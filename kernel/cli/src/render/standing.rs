//! Standing approvals as a person reads them: each with its bounds and what is left of them.

use latchgate_wire::api::StandingInfo;
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::facts::{Facts, LABEL_COLUMNS};
use super::{arguments, content};
use crate::visible::styled;
use crate::when;

/// One after another, nothing folded.
pub fn sheets(standing: &[StandingInfo], now: Timestamp, width: Option<usize>) -> String {
    let sheets: Vec<String> = standing.iter().map(|standing| sheet(standing, now, width)).collect();
    sheets.join("\n\n")
}

fn sheet(standing: &StandingInfo, now: Timestamp, width: Option<usize>) -> String {
    let columns = width.map(|width| width.saturating_sub(LABEL_COLUMNS));
    let mut sheet = Facts::default();
    sheet.line(format!("{} ({})", standing.approval_id.bold(), standing.scope.as_str()));
    sheet.add("action", format!("{}: {}", styled(&standing.action_id).bold(), styled(&standing.title)));
    let session = match standing.scope.as_str() {
        "session" => format!(", {} and no other", standing.session_id),
        _ => String::new(),
    };
    sheet.add("for", format!("{}{session}", standing.principal));
    sheet.add_lines("target", &content::broken(&standing.target, columns));
    let mut fixed = arguments::named(&standing.pinned, |_| true, columns);
    if fixed.is_empty() {
        fixed.push("no argument".into());
    }
    sheet.add_lines("fixed", &fixed);
    let free: Vec<String> = standing.free.iter().map(|name| styled(name)).collect();
    sheet.add(
        "may vary",
        match free.as_slice() {
            [] => "nothing".into(),
            names => format!("{}; the target stays that of the approved call", names.join(", ")),
        },
    );
    let left = when::span(standing.until.since(now));
    sheet.add("until", format!("{} UTC, {left} from now", when::short(standing.until)));
    sheet.add("uses", format!("{} of {}", standing.uses, standing.max_uses));
    let ago = when::span(now.since(standing.decided_at));
    sheet.add("given by", format!("{}, {ago} ago", styled(&standing.operator)));
    sheet.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_standing_approval_is_shown_with_its_bounds() {
        let standing: StandingInfo = serde_json::from_value(json!({
            "approval_id": "appr_01JD3G0000000000000000000F", "scope": "always", "principal": "uid:1000",
            "session_id": "sess_01JD3G0000000000000000000A", "action_id": "fs_write", "title": "Write a file",
            "target": "fs:write", "pinned": {"path": "a\u{202E}"}, "free": ["content"], "operator": "local",
            "decided_at": "2026-11-20T09:00:00.000Z", "until": "2026-11-27T09:30:00.000Z",
            "uses": 3, "max_uses": 20,
        }))
        .unwrap();
        let expected = "\
appr_01JD3G0000000000000000000F (always)
action    fs_write: Write a file
for       uid:1000
target    fs:write
fixed     path = \"a\\u{202E}\"
may vary  content; the target stays that of the approved call
until     2026-11-27 09:30:00 UTC, 7 d from now
uses      3 of 20
given by  local, 30 min ago";
        let now = "2026-11-20T09:30:00.000Z".parse().unwrap();
        assert_eq!(stripped(&sheets(&[standing], now, None)), expected);
    }
}
