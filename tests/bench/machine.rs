//! The machine, in one line: numbers mean nothing without it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU, cores, kernel, the file system that holds `dir`, and how this program was compiled.
pub fn describe(dir: &Path) -> Result<String> {
    let kernel = rustix::system::uname();
    let profile = if cfg!(debug_assertions) { "dev profile: no measure of speed" } else { "release profile" };
    Ok(format!(
        "{}, {} cores, Linux {}, {}, {profile}",
        cpu_model()?,
        cores()?,
        kernel.release().to_string_lossy(),
        file_system(dir)?
    ))
}

pub fn cores() -> Result<usize> {
    Ok(std::thread::available_parallelism().context("number of cores")?.get())
}

/// The share of the machine, 0 to 1, that others keep busy (waiting for the disk included), as seen over a second in which
/// this process does nothing.
pub fn busy() -> Result<f64> {
    let (idle, all) = ticks()?;
    std::thread::sleep(Duration::from_secs(1));
    let (idle_after, all_after) = ticks()?;
    let all = all_after.saturating_sub(all).max(1);
    Ok(1.0 - idle_after.saturating_sub(idle) as f64 / all as f64)
}

/// Idle and all time since boot, over all cores: the fourth field is idle time (proc_stat(5)).
fn ticks() -> Result<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().context("/proc/stat")?;
    Ok((*fields.get(3).context("/proc/stat names no idle time")?, fields.iter().sum()))
}

/// Not every architecture names its model.
fn cpu_model() -> Result<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model = line.and_then(|rest| rest.split_once(':')).map(|(_, model)| model.trim().to_owned());
    Ok(model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()))
}

/// The type of the mount with the longest path above `dir`; of two on one path, the later lies on top.
fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize()?;
    let text = std::fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    let mounts = text.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(path, _)| dir.starts_with(path));
    let (_, kind) = above.max_by_key(|(path, _)| path.len()).context("the directory is on no mount")?;
    Ok(kind.to_owned())
}
