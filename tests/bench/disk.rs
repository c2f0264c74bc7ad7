//! What reaches the device below a directory.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Sectors of 512 bytes written to the device so far, by whomever; `None` where the directory lies on none.
pub fn sectors_written(dir: &Path) -> Option<u64> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    // The seventh field (the kernel's Documentation/block/stat.rst).
    text.split_whitespace().nth(6)?.parse().ok()
}
