//! What the machine gives: room on the disk, and what the kernel can keep apart.

use std::fs;
use std::path::Path;

use landlock::{Access as _, AccessFs, LandlockStatus, Ruleset, RulesetAttr as _};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};

use super::finding::{Finding, word};

/// Log and payloads are allocated ahead in pieces of 2 and 4 MiB; below this the next piece may be refused.
const FREE_BYTES_MIN: u64 = 16 << 20;
/// Below this somebody should look.
const FREE_BYTES_LOW: u64 = 1 << 30;

pub fn examine() -> Vec<Finding> {
    vec![core_dumps(), openat2(), seccomp(), namespaces(), landlock()]
}

pub fn disk(dir: &Path) -> Vec<Finding> {
    let Ok(found) = rustix::fs::statvfs(dir) else { return Vec::new() };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let what = format!("{} MiB are free below {}", free >> 20, dir.display());
    let look = format!("du -xhd 2 {} | sort -h", word(dir));
    let finding = match free {
        0..FREE_BYTES_MIN => Finding::problem("disk", what)
            .means("the ledger takes no new call without room for its outcome; nothing that is there is lost")
            .run(look),
        FREE_BYTES_MIN..FREE_BYTES_LOW => {
            Finding::warning("disk", what).means("at 16 MiB new calls are refused").run(look)
        }
        FREE_BYTES_LOW.. => Finding::ok("disk", what),
    };
    vec![finding]
}

/// The gate makes itself undumpable at its start and does not run otherwise; whether it could is tried on ourselves.
fn core_dumps() -> Finding {
    let set = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match (set, dumpable_behavior()) {
        (Ok(()), Ok(DumpableBehavior::NotDumpable)) => {
            Finding::ok("cores", "a crash of the gate leaves no core with keys in it")
        }
        _ => Finding::problem("cores", "the kernel does not let a process make itself undumpable")
            .means("the gate does not start: a crash could leave a core with its keys"),
    }
}

fn openat2() -> Finding {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Ok(_) => Finding::ok("openat2", "file actions stay below their root by the kernel's own word"),
        Err(error) => Finding::problem("openat2", format!("openat2 is refused: {error}"))
            .means("file actions cannot be kept below their root: they need Linux 5.6, and no filter in front of it")
            .run("uname -r"),
    }
}

fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    match actions.split_whitespace().any(|action| action == "kill_process") {
        true => Finding::ok("seccomp", "system calls can be filtered"),
        false => Finding::warning("seccomp", "the kernel filters no system calls")
            .means("the service runs without its filter, and agents cannot be put into a sandbox")
            .run("grep SECCOMP /boot/config-$(uname -r)"),
    }
}

fn namespaces() -> Finding {
    let number = |path: &str| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let means = "an ordinary user cannot put an agent into a sandbox of its own";
    let refused = |setting: &str, value: u64| {
        Finding::warning("userns", format!("user namespaces are switched off ({setting} is {value})"))
            .means(means)
    };
    let (clone, apparmor) =
        ("kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns");
    match (
        number("/proc/sys/user/max_user_namespaces"),
        number("/proc/sys/kernel/unprivileged_userns_clone"),
        number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    ) {
        (None, _, _) => Finding::warning("userns", "the kernel has no user namespaces").means(means),
        (Some(0), _, _) => {
            refused("user.max_user_namespaces", 0).run("sudo sysctl -w user.max_user_namespaces=10000")
        }
        (_, Some(0), _) => refused(clone, 0).run(format!("sudo sysctl -w {clone}=1")),
        (_, _, Some(1)) => refused(apparmor, 1).run(format!("sudo sysctl -w {apparmor}=0")),
        _ => Finding::ok("userns", "users can make namespaces of their own"),
    }
}

fn landlock() -> Finding {
    let means = "an agent in a sandbox would be kept from files by namespaces alone";
    match landlock_status() {
        Some(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            let abi = kernel_abi.unwrap_or(effective_abi as i32);
            Finding::ok("landlock", format!("ABI {abi}"))
        }
        Some(LandlockStatus::NotEnabled) => {
            Finding::warning("landlock", "Landlock is built into the kernel and not switched on")
                .means(means)
                .run("cat /sys/kernel/security/lsm")
        }
        Some(LandlockStatus::NotImplemented) | None => {
            Finding::warning("landlock", "the kernel has no Landlock").means(means).run("uname -r")
        }
    }
}

/// The kernel tells its version to whoever restricts a thread: one that does nothing else, and ends.
fn landlock_status() -> Option<LandlockStatus> {
    let restricted = std::thread::spawn(|| {
        let all = AccessFs::from_all(landlock::ABI::V1);
        Ruleset::default().handle_access(all)?.create()?.restrict_self()
    });
    restricted.join().ok()?.ok().map(|status| status.landlock)
}
