//! Clocks and samples.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// Durations, in order.
pub struct Samples(Vec<Duration>);

impl Samples {
    /// At least one.
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// The nearest rank, `q` from 0 to 1.
    pub fn quantile(&self, q: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
    }
}

/// One library call: the middle of its times, and the mean of the CPU time that the calling thread spent.
pub struct Cost {
    pub time: Duration,
    pub cpu: Duration,
}

/// Times `call` on its own, again and again, after a tenth of that to warm up.
pub fn cost(iterations: usize, mut call: impl FnMut() -> Result<()>) -> Result<Cost> {
    for _ in 0..iterations / 10 + 1 {
        call()?;
    }
    let mut samples = Vec::with_capacity(iterations);
    let cpu = cpu_of_thread();
    for _ in 0..iterations {
        let start = Instant::now();
        call()?;
        samples.push(start.elapsed());
    }
    let cpu = (cpu_of_thread() - cpu) / u32::try_from(iterations)?;
    Ok(Cost { time: Samples::new(samples).quantile(0.5), cpu })
}

pub fn cpu_of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

pub fn cpu_of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
