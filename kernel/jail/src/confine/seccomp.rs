//! The filter of system calls: three programs, of which the strictest answer holds.
//!
//! ```text
//! allowed   what stands in the table may happen; all else does not exist (ENOSYS); another architecture's calls kill
//! refused   what the table refuses, and forms of allowed calls that make namespaces, make setuid files or type on a
//!           terminal (EPERM)
//! families  sockets but those of the machine itself and of the Internet (EAFNOSUPPORT)
//! ```

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op,
    SeccompCondition, SeccompFilter, SeccompRule,
};

use super::calls::{ALLOWED, ALLOWED_HERE, REFUSED};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// `clone` and `unshare` share the values of these, but for `CLONE_NEWTIME`, which is a part of the signal in `clone`.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;
const CLONE_NEWTIME: u64 = 0x80;
const FAMILIES: [i32; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
/// `TIOCSTI` types on a terminal, `TIOCLINUX` pastes into it, `TIOCSETD` changes how it works.
const TERMINAL_INPUT: [u64; 3] = [0x5412, 0x541C, 0x5423];
/// A setuid file in the workspace would be the caller's, outside, for everybody who starts it.
const SET_IDS: [u64; 2] = [0o4000, 0o2000];
/// What makes an `open` look at its mode: `O_CREAT`, and the bit that is `O_TMPFILE`'s alone.
const CREATES: [u64; 2] = [0o100, 0o20_000_000];
/// Calls with a mode, and where it stands.
const MODES: [(c_long, u8); 3] = [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (libc::SYS_mknodat, 2)];
#[cfg(target_arch = "x86_64")]
const MODES_HERE: [(c_long, u8); 4] =
    [(libc::SYS_chmod, 1), (libc::SYS_creat, 1), (libc::SYS_mknod, 1), (libc::SYS_fchmodat2, 2)];
#[cfg(not(target_arch = "x86_64"))]
const MODES_HERE: [(c_long, u8); 0] = [];
/// Calls with flags and a mode behind them.
const OPENS: [(c_long, u8); 1] = [(libc::SYS_openat, 2)];
#[cfg(target_arch = "x86_64")]
const OPENS_HERE: [(c_long, u8); 1] = [(libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS_HERE: [(c_long, u8); 0] = [];
/// `personality(0xffffffff)` asks only; 0 is what everybody has.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("this architecture has no filter: {0}")]
    Architecture(BackendError),
    #[error("the filter cannot be built: {0}")]
    Build(#[from] BackendError),
    #[error("the kernel does not take the filter: {0}")]
    Load(#[from] seccompiler::Error),
}

/// On this thread and all that it starts, for good.
pub(super) fn apply() -> Result<(), FilterError> {
    for program in programs()? {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 3], FilterError> {
    let compiled =
        |rules: Rules, otherwise: SeccompAction, found: SeccompAction| -> Result<BpfProgram, FilterError> {
            let architecture = std::env::consts::ARCH.try_into().map_err(FilterError::Architecture)?;
            Ok(SeccompFilter::new(rules, otherwise, found, architecture)?.try_into()?)
        };
    let errno = |code: i32| SeccompAction::Errno(u32::try_from(code).unwrap_or_default());
    let allowed = [ALLOWED, ALLOWED_HERE].concat().into_iter().map(always).collect();
    Ok([
        compiled(allowed, errno(libc::ENOSYS), SeccompAction::Allow)?,
        compiled(refused()?, SeccompAction::Allow, errno(libc::EPERM))?,
        compiled(other_families()?, SeccompAction::Allow, errno(libc::EAFNOSUPPORT))?,
    ])
}

fn always(call: c_long) -> (i64, Vec<SeccompRule>) {
    (call, Vec::new())
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().copied().map(always).collect();
    rules.insert(libc::SYS_clone, bits(0, NAMESPACES)?);
    rules.insert(libc::SYS_unshare, bits(0, NAMESPACES | CLONE_NEWTIME)?);
    let typed = TERMINAL_INPUT.map(|request| one(1, Length::Dword, Op::Eq, request));
    rules.insert(libc::SYS_ioctl, typed.into_iter().collect::<Result<_, _>>()?);
    for (call, mode) in MODES.into_iter().chain(MODES_HERE) {
        let each = SET_IDS.map(|bit| one(mode, Length::Dword, Op::MaskedEq(bit), bit));
        rules.insert(call, each.into_iter().collect::<Result<_, _>>()?);
    }
    for (call, flags) in OPENS.into_iter().chain(OPENS_HERE) {
        let pairs = CREATES.into_iter().flat_map(|create| SET_IDS.map(|bit| (create, bit)));
        let each = pairs.map(|(create, bit)| {
            let creates = SeccompCondition::new(flags, Length::Dword, Op::MaskedEq(create), create)?;
            let sets = SeccompCondition::new(flags + 1, Length::Dword, Op::MaskedEq(bit), bit)?;
            SeccompRule::new(vec![creates, sets])
        });
        rules.insert(call, each.collect::<Result<_, _>>()?);
    }
    rules.insert(libc::SYS_personality, vec![none_of(0, PERSONALITIES)?]);
    Ok(rules)
}

fn other_families() -> Result<Rules, BackendError> {
    let other = none_of(0, FAMILIES.map(|family| u64::from(family.unsigned_abs())))?;
    Ok([(libc::SYS_socket, vec![other.clone()]), (libc::SYS_socketpair, vec![other])].into())
}

/// If any bit of the mask is set: one rule for each, since rules of a call are alternatives.
fn bits(argument: u8, mask: u64) -> Result<Vec<SeccompRule>, BackendError> {
    let single = (0..u64::BITS).map(|bit| 1_u64 << bit).filter(|bit| mask & bit != 0);
    single.map(|bit| one(argument, Length::Qword, Op::MaskedEq(bit), bit)).collect()
}

/// If the argument is none of these: conditions of a rule hold together.
fn none_of(argument: u8, values: impl IntoIterator<Item = u64>) -> Result<SeccompRule, BackendError> {
    let conditions =
        values.into_iter().map(|value| SeccompCondition::new(argument, Length::Dword, Op::Ne, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn one(argument: u8, length: Length, op: Op, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, length, op, value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_compile_and_fit_the_kernels_bound() {
        for program in programs().unwrap() {
            assert!(program.len() < 4096, "{}", program.len());
        }
    }
}
