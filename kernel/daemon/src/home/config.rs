//! `latchgate.toml`: what the user wrote, and what it comes to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::limits::Rate;

/// The resolved configuration. Every member has one documented default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The gate's canonical URL: what a proof's `htu` must begin with. Default `http://localhost:3000`.
    pub public_base_url: String,
    /// Demand a body hash in every proof. Default false; clients that send one are checked either way.
    pub require_body_hash: bool,
    /// Life of a lease, 1 to 3600 s. Default 300.
    pub lease_ttl_s: u32,
    /// How long a held call waits for a decision, 1 to 86,400 s. Default 900.
    pub approval_ttl_s: u32,
    /// The directory below which file actions work. Default: where the gate was started.
    pub fs_root: Option<PathBuf>,
    /// Let actions connect to this machine, and by plain http. For development. Default false.
    pub dangerous_loopback: bool,
    /// How long running calls may take to end at shutdown, 1 to 600 s. Default 30.
    pub drain_s: u32,
    /// Loopback address and port of the agent API beside the socket. Default: none. `--expose-http` overrides it.
    pub expose_http: Option<SocketAddr>,
    /// Calls a second for each principal, 1 to 1,000,000; twice as many at once. Default 5,000.
    pub calls_per_s: u32,
    /// Leases a second for each principal, 1 to 1,000,000; twenty times as many at once. Default 50.
    pub leases_per_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_base_url: "http://localhost:3000".into(),
            require_body_hash: false,
            lease_ttl_s: 300,
            approval_ttl_s: 900,
            fs_root: None,
            dangerous_loopback: false,
            drain_s: 30,
            expose_http: None,
            calls_per_s: 5_000,
            leases_per_s: 50,
        }
    }
}

/// What is wrong with the file: every problem, each with its line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    gate: Gate,
    auth: Auth,
    approvals: Approvals,
    fs: Fs,
    egress: Egress,
    http: Http,
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    expose: Option<SocketAddr>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    calls_per_s: Option<u32>,
    leases_per_s: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Gate {
    public_base_url: Option<String>,
    drain_s: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Auth {
    require_body_hash: Option<bool>,
    lease_ttl_s: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Approvals {
    ttl_s: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fs {
    root: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Egress {
    dangerous_loopback: Option<bool>,
}

/// What a new home gets: every member with its default, as a comment.
pub const TEMPLATE: &str = r#"# latchgate: every setting with its default. Uncomment to change.

[gate]
# public_base_url = "http://localhost:3000"  # what the htu of a proof must begin with
# drain_s = 30                               # how long running calls may take to end at shutdown

[auth]
# require_body_hash = false                  # refuse proofs without a body hash
# lease_ttl_s = 300                          # 1 to 3600

[approvals]
# ttl_s = 900                                # how long a held call waits for a decision

[fs]
# root = "/absolute/path"                    # file actions work below it; default: where the gate was started

[egress]
# dangerous_loopback = false                 # let actions connect to this machine: for development only

[http]
# expose = "127.0.0.1:3000"                  # the agent API on a loopback port too; default: on the socket only

[limits]
# calls_per_s = 5000                         # for each principal
# leases_per_s = 50
"#;

impl Config {
    /// Reads the file; an absent one is all defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError(vec![format!("{}: {error}", path.display())])),
        }
    }

    /// # Errors
    /// Unknown members, wrong types and values out of bounds, with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            ConfigError(vec![format!("{file}:{line}: {}", error.message().replace('\n', " "))])
        })?;
        let config = written.resolve();
        let problems = config.problems();
        if problems.is_empty() {
            return Ok(config);
        }
        let located = problems.into_iter().map(|(member, problem)| {
            let line =
                text.lines().position(|line| line.trim_start().starts_with(member)).map_or(1, |i| i + 1);
            format!("{file}:{line}: {member} {problem}")
        });
        Err(ConfigError(located.collect()))
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut range = |member, value: u32, max: u32| {
            if !(1..=max).contains(&value) {
                problems.push((member, format!("is {value}, expected 1 to {max}")));
            }
        };
        range("lease_ttl_s", self.lease_ttl_s, 3600);
        range("ttl_s", self.approval_ttl_s, 86_400);
        range("drain_s", self.drain_s, 600);
        range("calls_per_s", self.calls_per_s, 1_000_000);
        range("leases_per_s", self.leases_per_s, 1_000_000);
        let url = self.public_base_url.as_str();
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '?', '#', '@', ' '])) {
            problems.push((
                "public_base_url",
                format!("is `{url}`, expected scheme and authority only, such as http://localhost:3000"),
            ));
        }
        if self.fs_root.as_ref().is_some_and(|root| !root.is_absolute()) {
            problems.push(("root", "is a relative path, expected an absolute one".into()));
        }
        if let Some(address) = self.expose_http.filter(|address| !address.ip().is_loopback()) {
            problems.push(("expose", format!("is {address}, expected a loopback address such as 127.0.0.1:3000; beyond this machine put TLS in front")));
        }
        problems
    }

    /// What the command line says of the TCP port goes before the file. Where no canonical URL was chosen, it is that port's.
    ///
    /// # Errors
    /// If the address is not of this machine alone.
    pub fn expose(&mut self, address: Option<SocketAddr>) -> Result<(), ConfigError> {
        self.expose_http = address.or(self.expose_http);
        let is_chosen = self.public_base_url != Self::default().public_base_url;
        // Port 0 is the system's choice: known, and said again, once it is bound.
        if let Some(address) = self.expose_http.filter(|address| !is_chosen && address.port() != 0) {
            self.public_base_url = format!("http://localhost:{}", address.port());
        }
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError(
            problems
                .into_iter()
                .map(|(member, problem)| format!("--expose-http: {member} {problem}"))
                .collect(),
        ))
    }

    pub fn drain(&self) -> Duration {
        Duration::from_secs(u64::from(self.drain_s))
    }

    pub fn call_rate(&self) -> Rate {
        Rate { per_s: self.calls_per_s, burst: self.calls_per_s.saturating_mul(2) }
    }

    pub fn lease_rate(&self) -> Rate {
        Rate { per_s: self.leases_per_s, burst: self.leases_per_s.saturating_mul(20) }
    }
}

impl Written {
    fn resolve(self) -> Config {
        let default = Config::default();
        Config {
            public_base_url: self.gate.public_base_url.unwrap_or(default.public_base_url),
            require_body_hash: self.auth.require_body_hash.unwrap_or(default.require_body_hash),
            lease_ttl_s: self.auth.lease_ttl_s.unwrap_or(default.lease_ttl_s),
            approval_ttl_s: self.approvals.ttl_s.unwrap_or(default.approval_ttl_s),
            fs_root: self.fs.root,
            dangerous_loopback: self.egress.dangerous_loopback.unwrap_or(default.dangerous_loopback),
            drain_s: self.gate.drain_s.unwrap_or(default.drain_s),
            expose_http: self.http.expose,
            calls_per_s: self.limits.calls_per_s.unwrap_or(default.calls_per_s),
            leases_per_s: self.limits.leases_per_s.unwrap_or(default.leases_per_s),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_all_defaults() {
        assert_eq!(Config::parse("t", TEMPLATE).unwrap(), Config::default());
        let all = TEMPLATE.replace("\n# ", "\n").replacen("latchgate: every", "# latchgate: every", 1);
        let with_root = Config {
            fs_root: Some("/absolute/path".into()),
            expose_http: Some("127.0.0.1:3000".parse().unwrap()),
            ..Config::default()
        };
        assert_eq!(Config::parse("t", &all).unwrap(), with_root);
    }

    #[test]
    fn an_unknown_member_is_an_error_with_its_line() {
        let error = Config::parse("latchgate.toml", "[egress]\nallow_all = true\n").unwrap_err().to_string();
        assert!(error.starts_with("latchgate.toml:2: ") && error.contains("allow_all"), "{error}");
    }

    #[test]
    fn every_value_out_of_bounds_is_told_at_once() {
        let text =
            "[auth]\nlease_ttl_s = 3601\n[approvals]\nttl_s = 0\n[gate]\npublic_base_url = \"localhost\"\n";
        let error = Config::parse("c", text).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
        assert!(error.0[0].starts_with("c:2: lease_ttl_s is 3601"), "{error}");
        assert!(Config::parse("c", "[auth]\nlease_ttl_s = 3600\n[approvals]\nttl_s = 1\n").is_ok());
    }
}
