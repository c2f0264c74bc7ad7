//! Rule: files, clocks, sockets and servers appear only in the crates that the design gives them to.

use super::Finding;
use super::source::{Line, Source, names};

struct Rule {
    names: &'static [&'static str],
    scope: Scope,
    reach: Reach,
    remedy: &'static str,
}

/// Which code a rule is about.
enum Reach {
    Shipped,
    /// That of tests too.
    All,
}

/// Path prefixes.
enum Scope {
    Within(&'static [&'static str]),
    Outside(&'static [&'static str]),
}

const RULES: [Rule; 7] = [
    Rule {
        names: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "tokio",
            "getrandom",
            "OsRng",
            "SysRng",
        ],
        scope: Scope::Within(&["kernel/wire/", "kernel/monitor/"]),
        reach: Reach::Shipped,
        remedy: "wire and monitor are pure: receive it through a port (addresses as values: core::net)",
    },
    Rule {
        names: &["hyper::server", "hyper_util::server"],
        scope: Scope::Outside(&["kernel/daemon/", "xtask/"]),
        reach: Reach::Shipped,
        remedy: "the HTTP server lives in kernel/daemon alone",
    },
    Rule {
        names: &["TcpStream::connect", "TcpSocket"],
        // The client goes to a gate's port on this machine alone, which `GateUrl` has seen to; nothing of the gate uses it.
        scope: Scope::Outside(&["kernel/egress/", "kernel/client/src/transport.rs"]),
        reach: Reach::Shipped,
        remedy: "outbound connections are opened by kernel/egress alone, behind its address guard",
    },
    Rule {
        names: &["UnixStream::connect"],
        // The listener asks whether the socket in its place is dead, and says nothing there.
        scope: Scope::Outside(&["kernel/client/", "kernel/daemon/src/http/listen.rs"]),
        reach: Reach::Shipped,
        remedy: "a gate is reached through kernel/client alone",
    },
    Rule {
        names: &["HttpConnector", "hyper_util::client::legacy::connect"],
        scope: Scope::Outside(&[]),
        reach: Reach::Shipped,
        remedy: "hyper-util's connector resolves names by itself: use kernel/egress or kernel/client",
    },
    Rule {
        names: &["OperatorClient", "crate::operator", "super::operator"],
        scope: Scope::Within(&["adapter/src/serve/"]),
        reach: Reach::All,
        remedy: "an agent's session links nothing of an operator: no path there can decide anything",
    },
    Rule {
        names: &["ServerHandler"],
        scope: Scope::Outside(&["adapter/src/", "xtask/"]),
        reach: Reach::All,
        remedy: "tests talk to the handler that ships, whatever the transport",
    },
];

pub fn check(source: &Source) -> Vec<Finding> {
    RULES.iter().filter(|rule| rule.scope.covers(&source.path)).flat_map(|rule| rule.check(source)).collect()
}

impl Scope {
    fn covers(&self, path: &str) -> bool {
        let under = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        match self {
            Self::Within(prefixes) => under(prefixes),
            Self::Outside(prefixes) => !under(prefixes),
        }
    }
}

impl Line<'_> {
    fn naming<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        names(self.code, name).then_some((self.number, name))
    }
}

impl Rule {
    fn check(&self, source: &Source) -> Vec<Finding> {
        let uses = source.shipped_uses();
        let mut found: Vec<(usize, &str)> = Vec::new();
        for name in self.names {
            match self.reach {
                Reach::Shipped => found.extend(source.shipped_lines().filter_map(|line| line.naming(name))),
                Reach::All => found.extend(source.all_lines().filter_map(|line| line.naming(name))),
            }
            found.extend(uses.iter().filter(|(_, path)| names(path, name)).map(|(line, _)| (*line, *name)));
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|(line, name)| self.finding(source, line, name)).collect()
    }

    fn finding(&self, source: &Source, line: usize, name: &str) -> Finding {
        Finding {
            file: source.path.clone(),
            line,
            what: format!("`{name}` does not belong here"),
            remedy: self.remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::parse(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn pure_crates_reach_for_nothing() {
        let pure = "kernel/monitor/src/steps.rs";
        for bad in [
            "let now = std::time::SystemTime::now();",
            "let now = Instant::now();",
            "use std::{fs, io};",
            "let ip: std::net::IpAddr = ip();",
            "tokio::spawn(x);",
            "getrandom::fill(&mut a)",
        ] {
            assert_eq!(lines(pure, bad), [1], "{bad}");
            assert_eq!(lines("kernel/ledger/src/log.rs", bad), [0; 0], "{bad}");
        }
        for good in ["use core::net::IpAddr;", "// std::fs is for others", "let a = \"tokio\";"] {
            assert_eq!(lines(pure, good), [0; 0], "{good}");
        }
    }

    #[test]
    fn tests_of_pure_crates_may_reach() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  use std::fs;\n}\n";
        assert_eq!(lines("kernel/wire/src/id.rs", text), [0; 0]);
        assert_eq!(lines("kernel/wire/src/id.rs", &text.replace("#[cfg(test)]", "")), [4]);
    }

    #[test]
    fn each_thing_has_its_one_place() {
        for (text, place) in [
            ("use hyper::server::conn::http1;", "kernel/daemon/src/http.rs"),
            ("use hyper_util::{rt::TokioIo, server::graceful};", "kernel/daemon/src/http.rs"),
            ("let s = TcpStream::connect(a).await?;", "kernel/egress/src/dial.rs"),
            ("let s = std::net::TcpStream::connect_timeout(a, b)?;", "kernel/egress/src/dial.rs"),
            ("let s = tokio::net::UnixStream::connect(p).await?;", "kernel/client/src/transport.rs"),
        ] {
            assert_eq!(lines(place, text), [0; 0], "{text}");
            assert_eq!(lines("kernel/cli/src/call.rs", text), [1], "{text}");
            assert_eq!(lines("tests/e2e/call.rs", text), [0; 0], "{text}");
        }
    }

    #[test]
    fn an_agents_session_knows_no_operator() {
        for text in ["use latchgate_client::OperatorClient;", "crate::operator::run(x)"] {
            assert_eq!(lines("adapter/src/serve/server.rs", text), [1], "{text}");
            assert_eq!(lines("adapter/src/operator/mod.rs", text), [0; 0], "{text}");
        }
    }

    #[test]
    fn a_handler_of_a_tests_own_is_found() {
        let text = "impl ServerHandler for Mine {}";
        for test in ["tests/mcp/main.rs", "adapter/examples/http_front.rs"] {
            assert_eq!(lines(test, text), [1], "{test}");
        }
        assert_eq!(lines("adapter/src/serve/server.rs", text), [0; 0]);
    }
}
