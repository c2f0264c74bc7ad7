//! A wall clock that a test steps while the gate runs: what the gate's process asks the C library for the time is answered
//! with so many seconds more, or less. The clock of the machine stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::builder::GateBuilder;
use crate::preload;

pub struct SteppedClock {
    dir: TempDir,
    library: PathBuf,
}

impl SteppedClock {
    /// `None` where there is no C compiler, and that is said.
    ///
    /// # Panics
    /// If it does not compile.
    pub fn new() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
        let library = preload::compile(dir.path(), SOURCE, "a clock can be stepped")?;
        let clock = Self { dir, library };
        clock.step(0);
        Some(clock)
    }

    /// A gate, and commands, that go by this clock.
    #[must_use]
    pub fn given_to(&self, builder: GateBuilder) -> GateBuilder {
        builder
            .env("LD_PRELOAD", self.library.to_str().unwrap())
            .env("STEPPED_CLOCK", self.path("seconds").to_str().unwrap())
    }

    /// The clock is so many seconds ahead of the machine's from here on.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn step(&self, seconds: i64) {
        // Renamed into place: whoever reads sees one number or the other.
        fs::write(self.path("next"), seconds.to_string()).unwrap();
        fs::rename(self.path("next"), self.path("seconds")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.dir.path(), name)
    }
}

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long seconds(void) {
    char text[32] = {0};
    const char *path = getenv("STEPPED_CLOCK");
    int kept = errno;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
        close(file);
    }
    errno = kept;
    return strtol(text, 0, 10);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += seconds();
    return result;
}
"#;
