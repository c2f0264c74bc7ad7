//! A line for each call that is held, in the terminal of a gate in the foreground, and `w` for the watch on it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use latchgate_daemon::HeldCalls;
use latchgate_wire::api::ApprovalInfo;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch::Receiver;

use crate::console::Console;
use crate::exit::Failure;
use crate::terminal::keyboard::Keyboard;
use crate::visible::styled;

/// How soon a key is followed; a call that came is told of as soon.
const PAUSE: Duration = Duration::from_millis(100);

/// What tells of held calls.
pub struct Teller {
    pub console: Console,
    pub held: HeldCalls,
    pub agent_socket: PathBuf,
}

impl Teller {
    /// Tells of each once, until the gate is gone or the sender of `ended` is.
    pub async fn announce(self, mut ended: Receiver<()>) {
        // Without one, calls are decided elsewhere.
        let keyboard = Keyboard::take().ok().flatten();
        let mut told = BTreeSet::new();
        while let Some(waiting) = self.held.waiting() {
            for info in news(&told, &waiting) {
                self.console.note(&line(info, keyboard.is_some()));
            }
            told = waiting.iter().map(|info| info.approval_id).collect();
            if let Some(keyboard) = keyboard.as_ref().filter(|keyboard| keyboard.pressed() == Some('w')) {
                keyboard.release();
                if let Err(failure) = self.watch(&mut ended).await {
                    self.console.failure(&failure);
                }
                // Where that fails the terminal is gone, and nobody presses anything.
                let _gone = keyboard.resume();
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = ended.changed() => return,
            }
        }
    }

    /// In a process of its own: it may ask for a passphrase, and whatever becomes of it, the gate goes on.
    async fn watch(&self, ended: &mut Receiver<()>) -> Result<(), Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--socket").arg(&self.agent_socket).args(["approvals", "watch"]);
        let mut watch = command.spawn()?;
        tokio::select! {
            status = watch.wait() => status.map(drop)?,
            _ = ended.changed() => end(&mut watch).await?,
        }
        Ok(())
    }
}

/// Asks it to end, so that it gives the terminal back.
async fn end(watch: &mut Child) -> Result<(), Failure> {
    let pid = watch.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
    }
    watch.wait().await?;
    Ok(())
}

/// Oldest first, as they came.
fn news<'a>(
    told: &'a BTreeSet<ApprovalId>,
    waiting: &'a [ApprovalInfo],
) -> impl Iterator<Item = &'a ApprovalInfo> {
    waiting.iter().rev().filter(|info| !told.contains(&info.approval_id))
}

fn line(info: &ApprovalInfo, has_keys: bool) -> String {
    let here =
        if has_keys { "press w to decide, or in another terminal" } else { "decide in another terminal" };
    format!(
        "{} {} by {}; {here}: latchgate approvals approve {}",
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
        let keyed = stripped(&line(&info, true));
        assert!(keyed.starts_with("held: fs_write by uid:1000; press w to decide, or"), "{keyed}");
        let line = stripped(&line(&info, false));
        assert!(line.starts_with("held: fs_write by uid:1000; decide in another"), "{line}");
        assert!(line.contains("latchgate approvals approve appr_01JD3G0000000000000000000F"), "{line}");
    }
}
