//! The first stage: leaves every namespace of the machine, and hands its child's exit status on.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::{Given, Stage};
use crate::plan::Plan;
use crate::raw;

const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNS)
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWCGROUP)
    .union(UnshareFlags::NEWTIME);

/// What process 1 needs to build the root, in its own user namespace; it gives all of it up before it starts the command.
const NEEDED: [CapabilitySet; 3] =
    [CapabilitySet::SYS_ADMIN, CapabilitySet::NET_ADMIN, CapabilitySet::SETPCAP];

pub(super) fn run(given: Given) -> Result<u8, String> {
    let Given { plan, plan_file, control } = given;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    raw::unshare(NAMESPACES).map_err(|error| format!("the kernel gives no namespaces: {error}"))?;
    // After the change of credentials, which would take it back.
    die_with(plan.warden).map_err(|error| format!("the warden cannot be followed: {error}"))?;
    map_user(&plan, uid, gid).map_err(|error| format!("the user cannot be mapped: {error}"))?;
    hand_down(&NEEDED).map_err(|error| format!("capabilities cannot be handed down: {error}"))?;

    let control = OwnedFd::from(control);
    let mut init = super::command(Stage::Init, &plan_file, &control).map_err(|error| error.to_string())?;
    let mut child =
        raw::forked(&mut init).spawn().map_err(|error| format!("process 1 cannot be started: {error}"))?;
    // Held open by process 1 alone, so that its end is the end of the channel.
    drop((control, plan_file));
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(exit_code(status))
}

/// As a shell would say it.
pub(super) fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let signalled = status.signal().map(|signal| 128 + signal);
    signalled.or(status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The warden may be gone already: its end would then come unheard.
fn die_with(warden: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
    let is_there = parent.and_then(|pid| u32::try_from(pid.get()).ok()) == Some(warden);
    if is_there { Ok(()) } else { Err(io::Error::other("it is gone")) }
}

/// One user and one group: the caller's, under the numbers of the plan. Without `setgroups` the caller's other groups can
/// neither be left nor be added to.
fn map_user(plan: &Plan, uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {uid} 1", plan.uid))?;
    fs::write("/proc/self/gid_map", format!("{} {gid} 1", plan.gid))
}

/// A start of another program keeps ambient capabilities and no others, unless by user 0, which there is none of inside.
fn hand_down(needed: &[CapabilitySet]) -> io::Result<()> {
    let needed_set = needed.iter().fold(CapabilitySet::empty(), |all, one| all | *one);
    let sets = CapabilitySets { effective: needed_set, permitted: needed_set, inheritable: needed_set };
    rustix::thread::set_capabilities(None, sets)?;
    needed.iter().try_for_each(|one| Ok(rustix::thread::configure_capability_in_ambient_set(*one, true)?))
}
