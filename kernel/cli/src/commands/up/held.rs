//! A line for each call that is held, in the terminal of a gate in the foreground.

use std::collections::BTreeSet;
use std::time::Duration;

use latchgate_daemon::HeldCalls;
use latchgate_wire::api::ApprovalInfo;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;

use crate::console::Console;
use crate::visible::styled;

const PAUSE: Duration = Duration::from_millis(500);

/// Tells of each once, until the gate is gone.
pub async fn announce(console: Console, held: HeldCalls) {
    let mut told = BTreeSet::new();
    while let Some(waiting) = held.waiting() {
        for info in news(&told, &waiting) {
            console.note(&line(info));
        }
        told = waiting.iter().map(|info| info.approval_id).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Oldest first, as they came.
fn news<'a>(
    told: &'a BTreeSet<ApprovalId>,
    waiting: &'a [ApprovalInfo],
) -> impl Iterator<Item = &'a ApprovalInfo> {
    waiting.iter().rev().filter(|info| !told.contains(&info.approval_id))
}

fn line(info: &ApprovalInfo) -> String {
    format!(
        "{} {} by {}; decide in another terminal: latchgate approvals approve {}   or: latchgate approvals watch",
        "held:".yellow().bold(),
        styled(&info.action_id),
        info.principal,
        info.approval_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::approval::tests::detail;
    use crate::render::stripped;

    #[test]
    fn each_call_is_told_of_once_with_the_command() {
        let info = detail().info;
        let waiting = [info.clone()];
        assert_eq!(news(&BTreeSet::new(), &waiting).count(), 1);
        assert_eq!(news(&BTreeSet::from([info.approval_id]), &waiting).count(), 0);
        let line = stripped(&line(&info));
        assert!(line.starts_with("held: fs_write by uid:1000; "), "{line}");
        assert!(line.contains("latchgate approvals approve appr_01JD3G0000000000000000000F"), "{line}");
    }
}
