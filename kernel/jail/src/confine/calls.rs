//! The table of system calls. What stands in neither list is unknown to it, and answered as an old kernel would: `ENOSYS`.
//!
//! `openat2` is unknown on purpose: its mode lies in memory, where no filter sees it. Programs fall back to `openat`.
//! Allowed is what programs, their runtimes, compilers and debug output use. Refused by name (`EPERM`) is what an agent has no
//! business with, so that a program which tries is told that it may not rather than that there is no such thing.

use libc::c_long;

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

pub(super) const ALLOWED: &[c_long] = calls! {
    // Files.
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2
    SYS_openat SYS_close SYS_close_range SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs
    SYS_lseek SYS_truncate SYS_ftruncate SYS_fallocate SYS_fsync SYS_fdatasync SYS_sync SYS_syncfs SYS_sync_file_range
    SYS_fadvise64 SYS_readahead SYS_copy_file_range SYS_sendfile SYS_splice SYS_tee SYS_vmsplice SYS_getdents64
    SYS_mkdirat SYS_unlinkat SYS_linkat SYS_symlinkat SYS_readlinkat SYS_renameat SYS_renameat2 SYS_mknodat
    SYS_faccessat SYS_faccessat2 SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat SYS_umask
    SYS_getcwd SYS_chdir SYS_fchdir SYS_flock SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_ioctl
    SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_listxattr SYS_llistxattr
    SYS_flistxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr SYS_memfd_create
    SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
    // Memory.
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free SYS_madvise
    SYS_msync SYS_mincore SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_membarrier SYS_rseq
    SYS_get_mempolicy SYS_set_mempolicy SYS_mbind
    // Processes and threads.
    SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tkill SYS_tgkill
    SYS_pidfd_open SYS_pidfd_send_signal SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid
    SYS_setsid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_setuid
    SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid SYS_setgroups
    SYS_capget SYS_capset SYS_prctl SYS_set_tid_address SYS_set_robust_list SYS_get_robust_list SYS_futex
    SYS_futex_waitv SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getparam
    SYS_sched_setparam SYS_sched_getscheduler SYS_sched_setscheduler SYS_sched_getattr SYS_sched_setattr
    SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval SYS_getpriority SYS_setpriority
    SYS_ioprio_get SYS_ioprio_set SYS_getrlimit SYS_setrlimit SYS_prlimit64 SYS_getrusage SYS_times SYS_getcpu
    SYS_personality SYS_unshare SYS_uname SYS_sysinfo SYS_restart_syscall
    // Signals and time.
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigqueueinfo
    SYS_rt_tgsigqueueinfo SYS_rt_sigsuspend SYS_sigaltstack SYS_signalfd4 SYS_clock_gettime SYS_clock_getres
    SYS_clock_nanosleep SYS_gettimeofday SYS_nanosleep SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_settime
    SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
    // Waiting and talking.
    SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2
    SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_getsockname SYS_getpeername
    SYS_getsockopt SYS_setsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_shutdown
    SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl SYS_semget SYS_semop SYS_semtimedop SYS_semctl SYS_msgget SYS_msgsnd
    SYS_msgrcv SYS_msgctl SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify
    SYS_mq_getsetattr SYS_io_setup SYS_io_destroy SYS_io_submit SYS_io_cancel SYS_io_getevents
    // Confining oneself further.
    SYS_seccomp SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self SYS_getrandom
};

/// Calls that only this architecture has, older forms of those above.
#[cfg(target_arch = "x86_64")]
pub(super) const ALLOWED_HERE: &[c_long] = calls! {
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_pipe SYS_dup2 SYS_poll SYS_select SYS_fork SYS_vfork SYS_getdents
    SYS_rename SYS_mkdir SYS_rmdir SYS_link SYS_unlink SYS_symlink SYS_readlink SYS_chmod SYS_chown SYS_lchown
    SYS_utime SYS_utimes SYS_futimesat SYS_mknod SYS_getpgrp SYS_alarm SYS_pause SYS_time SYS_arch_prctl
    SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_signalfd SYS_inotify_init SYS_fchmodat2
};
#[cfg(not(target_arch = "x86_64"))]
pub(super) const ALLOWED_HERE: &[c_long] = &[];

pub(super) const REFUSED: &[c_long] = calls! {
    // Mounts and roots.
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount
    SYS_fspick SYS_mount_setattr SYS_swapon SYS_swapoff SYS_quotactl SYS_quotactl_fd SYS_name_to_handle_at
    SYS_open_by_handle_at SYS_fanotify_init SYS_fanotify_mark
    // Other processes, other namespaces.
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_process_mrelease SYS_kcmp
    SYS_pidfd_getfd SYS_setns SYS_migrate_pages SYS_move_pages
    // The kernel's larger machinery.
    SYS_bpf SYS_perf_event_open SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_userfaultfd
    SYS_add_key SYS_request_key SYS_keyctl SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load
    SYS_lookup_dcookie SYS_memfd_secret
    // The machine.
    SYS_reboot SYS_sethostname SYS_setdomainname SYS_settimeofday SYS_clock_settime SYS_clock_adjtime SYS_adjtimex
    SYS_syslog SYS_acct SYS_vhangup
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_call_stands_in_one_list_and_once() {
        let all: Vec<_> = [ALLOWED, ALLOWED_HERE, REFUSED].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
