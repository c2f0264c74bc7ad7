//! What this process and the disk under it have done.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Sectors of 512 bytes written to the device so far, by whomever; `None` where the directory lies on none.
pub fn sectors_written(dir: &Path) -> Option<u64> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    text.split_whitespace().nth(6)?.parse().ok()
}

/// Forgets the largest resident size so far (proc(5), clear_refs).
pub fn reset_peak() {
    // Where it cannot be reset the peak is that of the whole run.
    let _kept = fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident size since, in MiB.
pub fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? / 1024)
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
