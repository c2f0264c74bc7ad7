//! What the ledger costs beside what lies under it: `cargo xtask bench ledger`.
//!
//! Appending beside the bare append of the same bytes, verifying beside the bare check of as many signatures, starts and queries at
//! size. Everything in one run on one machine, because only then the ratios mean something. A missed goal is shown and is no
//! failure; a measurement that could not be made is.

mod append;
mod entries;
mod log;
mod machine;
mod read;

use std::path::PathBuf;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs of commits and sizes of logs.
struct Counts {
    commits: usize,
    signatures: usize,
    sizes: Vec<u64>,
}

fn main() -> Result<(), Failure> {
    let mut dir = None;
    let mut counts = Counts { commits: 20_000, signatures: 100_000, sizes: vec![1_000_000, 10_000_000] };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dir" => dir = args.next().map(PathBuf::from),
            "--short" => counts = Counts { commits: 300, signatures: 2_000, sizes: vec![20_000] },
            "--entries" => counts.sizes = vec![args.next().ok_or("--entries: expected a number")?.parse()?],
            other => return Err(format!("{other}: expected --dir DIR, --short or --entries N").into()),
        }
    }
    let dir = dir.ok_or("--dir is missing: its file system is the one measured")?;
    let dir = tempfile::Builder::new().prefix("ledger").tempdir_in(dir)?;
    latchgate_wire::jws::install_crypto();
    println!("{:<58} {:>10} {:>12}", "", "goal", "measured");
    append::measure(dir.path(), counts.commits)?;
    let bare = read::bare_signatures(counts.signatures);
    for size in counts.sizes {
        read::measure(&dir.path().join(size.to_string()), size, bare)?;
    }
    Ok(())
}

/// A line of the result; `goal` says what is promised and whether it holds.
pub fn tell(name: &str, goal: Option<(&str, f64, bool)>, measured: &str) {
    let (bound, verdict) = match goal {
        None => (String::new(), ""),
        Some((sign, bound, true)) => (format!("{sign} {bound}"), "pass"),
        Some((sign, bound, false)) => (format!("{sign} {bound}"), "MISS"),
    };
    println!("{name:<58} {bound:>10} {measured:>12}  {verdict}");
}
