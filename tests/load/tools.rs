//! h2load (nghttp2) and slowhttptest: how they are called, and what they say.

use std::process::Command;

use latchgate_tests::Ran;

/// Whether all the programs are there; if not, that is said.
pub fn are_there() -> bool {
    let missing = |name: &&str| Command::new(name).arg("--version").output().is_err();
    let Some(name) = ["h2load", "slowhttptest"].into_iter().find(missing) else { return true };
    eprintln!("LEFT OUT: {name} is missing; packages: nghttp2-client, slowhttptest");
    false
}

/// What h2load counted.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    pub done: u64,
    pub errored: u64,
    pub timed_out: u64,
    /// By hundreds: 2xx to 5xx.
    pub statuses: [u64; 4],
}

/// Many requests over a few connections that stay open. `args` names the target last.
pub fn many(requests: u64, connections: u64, args: &[&str]) -> Counted {
    let mut command = Command::new("h2load");
    command.args(["--h1", "-n", &requests.to_string(), "-c", &connections.to_string()]).args(args);
    let said = Ran::of(&mut command).exited(0).stdout;
    let line = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no `{name}` in {said}")).to_owned()
    };
    let (requests, statuses) = (line("requests: "), line("status codes: "));
    println!("  {requests}\n  {statuses}");
    let count = |of: &str, name: &str| -> u64 {
        let part = of.split(", ").find_map(|part| part.strip_suffix(name));
        part.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {of}"))
    };
    Counted {
        done: count(&requests, "done"),
        errored: count(&requests, "errored"),
        timed_out: count(&requests, "timeout"),
        statuses: ["2xx", "3xx", "4xx", "5xx"].map(|name| count(&statuses, name)),
    }
}

/// Clients that are slow in this manner (`-H` heads, `-B` bodies, `-X` reading) for so many seconds. Whether an ordinary client
/// was served all the while.
pub fn slow(manner: &str, connections: u64, seconds: u64, url: &str) -> bool {
    let mut command = Command::new("slowhttptest");
    command.args([manner, "-c", &connections.to_string(), "-r", &connections.to_string(), "-i", "1"]);
    command.args(["-l", &seconds.to_string(), "-p", "30", "-u", url]);
    let said = plain(&Ran::of(&mut command).stdout);
    let answers: Vec<&str> =
        said.lines().filter_map(|line| line.strip_prefix("service available:")).map(str::trim).collect();
    println!("  service available: {answers:?}");
    !answers.is_empty() && answers.iter().all(|answer| *answer == "YES")
}

/// Without colours and cursor movements.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            // `ESC [ ... letter`
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}
