//! Why a kernel that could give a jail may not: settings of the machine, and what changes them.

use std::fs;

/// A setting that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub what: &'static str,
    /// What makes it otherwise, and what that means.
    pub remedy: &'static str,
}

/// Those that are found on this machine. None says nothing: a container's own filter cannot be read.
pub fn found() -> Vec<Obstacle> {
    let number = |path: &str| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let settings = [
        (
            number("/proc/sys/user/max_user_namespaces") == Some(0),
            Obstacle {
                what: "user namespaces are switched off (user.max_user_namespaces is 0)",
                remedy: "sudo sysctl -w user.max_user_namespaces=10000 lets every user make them",
            },
        ),
        (
            number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0),
            Obstacle {
                what: "only root makes user namespaces (kernel.unprivileged_userns_clone is 0)",
                remedy: "sudo sysctl -w kernel.unprivileged_userns_clone=1 lets every user make them",
            },
        ),
        (
            number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            Obstacle {
                what: "AppArmor gives user namespaces without rights (kernel.apparmor_restrict_unprivileged_userns is 1)",
                remedy: "an AppArmor profile with `userns,` for the latchgate binary allows it alone; \
                     sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 allows every program",
            },
        ),
        (
            number("/proc/sys/user/max_user_namespaces").is_none(),
            Obstacle {
                what: "the kernel has no user namespaces, or /proc is not to be seen",
                remedy: "a kernel with CONFIG_USER_NS",
            },
        ),
    ];
    settings.into_iter().filter_map(|(is_there, obstacle)| is_there.then_some(obstacle)).collect()
}
