//! The gate as it answers: its sockets, its clock, its boundary, and what it counts.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use latchgate_client::{ClientError, Endpoint, OperatorClient, PublicClient};
use latchgate_daemon::Places;
use latchgate_daemon::doctor::{Finding, word};
use latchgate_wire::api::Status;
use latchgate_wire::receipt::Boundary;
use rustix::fs::{Access, access};

use super::move_aside;
use crate::connect;
use crate::when;

/// How far this program's clock and the gate's may lie apart while a status is on its way.
const APART_MS_MAX: i64 = 60_000;

pub async fn examine(endpoint: &Endpoint, places: &Places, operator: &str) -> Vec<Finding> {
    let agent = endpoint.agent_socket();
    match Found::at(agent) {
        Found::Nothing => return down(endpoint),
        Found::Other => return vec![in_the_way(agent)],
        Found::Socket => {}
        Found::Hidden(error) => {
            let what = format!("{} cannot be looked at: {error}", agent.display());
            return vec![Finding::problem("socket", what).means("another user's gate may be behind it")];
        }
    }
    match PublicClient::new(endpoint).ready().await {
        Ok(ready) if ready.status == "ready" => {
            let mut findings =
                vec![Finding::ok("socket", format!("agents are answered at {}", agent.display()))];
            findings.extend(operated(endpoint, places, operator).await);
            findings
        }
        Ok(ready) => {
            let what = format!("the gate at {} is {}", agent.display(), ready.status);
            let means = "it takes no calls";
            let again = "latchgate down && latchgate up --detach";
            let mut findings = vec![Finding::warning("socket", what).means(means).run(again)];
            findings.extend(operated(endpoint, places, operator).await);
            findings
        }
        Err(error) => vec![unanswered(endpoint, &error)],
    }
}

enum Found {
    Nothing,
    Socket,
    Other,
    Hidden(io::Error),
}

impl Found {
    fn at(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => Self::Socket,
            Ok(_) => Self::Other,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Nothing,
            Err(error) => Self::Hidden(error),
        }
    }
}

fn down(endpoint: &Endpoint) -> Vec<Finding> {
    let (agent, admin) = (endpoint.agent_socket(), endpoint.admin_socket());
    let what = format!("no gate runs here: there is no {}", agent.display());
    let mut findings =
        vec![Finding::warning("socket", what).means("nobody can call anything").run("latchgate up --detach")];
    match Found::at(admin) {
        Found::Nothing | Found::Hidden(_) => {}
        Found::Other => findings.push(in_the_way(admin)),
        Found::Socket => findings.push(stale(&[admin])),
    }
    findings
}

fn stale(sockets: &[&Path]) -> Finding {
    let names: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
    let words: Vec<String> = sockets.iter().map(|path| word(path)).collect();
    Finding::warning("socket", format!("stale, left behind by a gate that is gone: {}", names.join(", ")))
        .means("whoever connects is refused; the next start replaces it")
        .run(format!("rm {}", words.join(" ")))
}

fn in_the_way(path: &Path) -> Finding {
    Finding::problem("socket", format!("{} is in the way and is no socket", path.display()))
        .means("the gate does not start")
        .run(move_aside(path))
}

fn unanswered(endpoint: &Endpoint, error: &ClientError) -> Finding {
    let agent = endpoint.agent_socket();
    match error {
        ClientError::Unreachable { .. } if access(agent, Access::WRITE_OK).is_err() => {
            let what = format!("{} is not yours to connect to", agent.display());
            Finding::problem("socket", what)
                .means("the gate of another user, or a service whose group you are not in, may be behind it")
                .run(format!("ls -l {}", word(agent)))
        }
        ClientError::Unreachable { .. } => {
            let sockets = [agent, endpoint.admin_socket()];
            stale(
                &sockets
                    .into_iter()
                    .filter(|path| matches!(Found::at(path), Found::Socket))
                    .collect::<Vec<_>>(),
            )
        }
        ClientError::Untrusted { .. } => {
            let finding = Finding::problem("socket", error.to_string())
                .means("what listens there may be anybody, so no command talks to it");
            let remedy = error.remedy().unwrap_or_default();
            match remedy.strip_prefix("run: ") {
                Some(command) => finding.run(command),
                None => finding,
            }
        }
        _ => Finding::problem("socket", format!("the gate at {} does not answer: {error}", agent.display()))
            .run("latchgate logs"),
    }
}

async fn operated(endpoint: &Endpoint, places: &Places, operator: &str) -> Vec<Finding> {
    let admin = endpoint.admin_socket();
    let client: OperatorClient = match connect::operator(Some(admin), operator) {
        Ok(client) => client,
        Err(why) => {
            let finding =
                Finding::problem("admin", why.what).means("nobody here can approve, look or stop the gate");
            let remedy = why.remedy.unwrap_or_default();
            return vec![match remedy.strip_prefix("run: ") {
                Some(command) => finding.run(command),
                None => finding,
            }];
        }
    };
    match client.status().await {
        Ok(status) => told(&status, admin, places),
        Err(error) => {
            let what = format!("{} does not answer operator {operator}: {error}", admin.display());
            let finding =
                Finding::problem("admin", what).means("nobody here can approve, look or stop the gate");
            vec![finding.run("latchgate status")]
        }
    }
}

fn told(status: &Status, admin: &Path, places: &Places) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(
        "admin",
        format!("operator {} is answered at {}", status.operator, admin.display()),
    )];
    findings.push(clock(status));
    findings.push(boundary(status.boundary));
    if Path::new(&status.home) != places.config_dir {
        let what = format!("the gate's home is {}, not {}", status.home, places.config_dir.display());
        let command = format!("export LATCHGATE_HOME={}", word(Path::new(&status.home)));
        findings.push(Finding::warning("home", what).means("what follows is about the latter").run(command));
    }
    if status.version != env!("CARGO_PKG_VERSION") {
        let what =
            format!("the gate is version {}, this program {}", status.version, env!("CARGO_PKG_VERSION"));
        findings.push(Finding::warning("version", what).run("latchgate down && latchgate up --detach"));
    }
    if status.unknown_outcomes > 0 {
        let what = format!("{} interrupted calls may have happened", status.unknown_outcomes);
        let means = "nobody knows but the service that was called";
        let command = "latchgate audit --kind call.outcome";
        findings.push(Finding::warning("outcomes", what).means(means).run(command));
    }
    if status.panics_caught > 0 {
        let what = format!("{} faults of the gate's own were caught since its start", status.panics_caught);
        findings.push(Finding::warning("faults", what).means("please report them").run("latchgate logs"));
    }
    findings
}

fn clock(status: &Status) -> Finding {
    let accept = "latchgate clock accept";
    if let Some(drift) = status.clock_drift_ms {
        let side = if drift < 0 { "behind" } else { "ahead of" };
        let what = format!("the clock stands {} {side} gate time", when::span(drift.abs()));
        return Finding::problem("clock", what)
            .means("calls are refused until an operator accepts the clock: set it first if it is wrong")
            .run(accept);
    }
    let apart = status.time.map_or(0, |time| when::now().since(time));
    match apart.abs() {
        0..=APART_MS_MAX => Finding::ok("clock", "gate time and this machine's clock agree"),
        apart => {
            let what = format!("gate time and this machine's clock are {} apart", when::span(apart));
            Finding::warning("clock", what).means("an operator accepted it").run("timedatectl set-ntp true")
        }
    }
}

fn boundary(boundary: Boundary) -> Finding {
    match boundary {
        Boundary::SameUser => {
            Finding::warning("boundary", "same-user: programs run as you can reach the gate's keys")
                .means(
                    "actions of critical risk are denied; run the gate as a user of its own to change that",
                )
                .run("sudo latchgate service install")
        }
        other => Finding::ok("boundary", other.as_str()),
    }
}
