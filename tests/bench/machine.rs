//! The machine, in one line: numbers mean nothing without it.

use std::path::Path;

use anyhow::{Context, Result};

/// CPU, cores, what else they are doing, kernel, the file system that holds `dir`, and how this program was compiled.
pub fn describe(dir: &Path) -> Result<String> {
    let kernel = rustix::system::uname();
    let profile = if cfg!(debug_assertions) { "dev profile: no measure of speed" } else { "release profile" };
    Ok(format!(
        "{}, {} cores, load {}, Linux {}, {}, {profile}",
        cpu_model()?,
        cores()?,
        load()?,
        kernel.release().to_string_lossy(),
        file_system(dir)?
    ))
}

pub fn cores() -> Result<usize> {
    Ok(std::thread::available_parallelism().context("number of cores")?.get())
}

/// Of the last minute: whatever it is above 0 was taken from what is measured here.
pub fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let minute = text.split(' ').next().unwrap_or_default();
    minute.parse().context("/proc/loadavg begins with no number")
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
