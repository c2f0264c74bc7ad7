//! What was measured against what is promised.

use crate::floor::Floor;
use crate::measure::{Samples, micros};
use crate::revoke::{CALLS, Revoked};
use crate::{Measured, machine};

pub struct Goal {
    name: String,
    /// `None` where this gate does not say.
    measured: Option<f64>,
    bound: (&'static str, f64),
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Depends on what else the machine does.
    Timed,
    Counted,
}

/// The share of the machine that others may keep busy before times mean nothing.
pub const BUSY_MAX: f64 = 0.1;

impl Goal {
    pub fn timed(name: String, measured: f64, bound: (&'static str, f64)) -> Self {
        Self { name, measured: Some(measured), bound, kind: Kind::Timed }
    }

    pub fn counted(name: String, measured: impl Into<Option<f64>>, bound: (&'static str, f64)) -> Self {
        Self { name, measured: measured.into(), bound, kind: Kind::Counted }
    }

    fn verdict(&self, busy: f64) -> &'static str {
        if self.kind == Kind::Timed && busy > BUSY_MAX {
            return "unsure: the machine was busy";
        }
        let (sign, bound) = self.bound;
        let holds = self.measured.map(|measured| match sign {
            "<=" => measured <= bound,
            ">=" => measured >= bound,
            _ => measured < bound,
        });
        holds.map_or("not measured", |holds| if holds { "pass" } else { "MISS" })
    }
}

pub fn print(floor: &Floor, measured: &Measured, revoked: &Revoked, busy: f64) -> anyhow::Result<()> {
    let mut goals = goals(floor, measured, machine::cores()? as f64);
    goals.extend(of_revocation(revoked));
    print_all(goals, busy);
    Ok(())
}

pub fn print_revoked(revoked: &Revoked, busy: f64) {
    print_all(of_revocation(revoked), busy);
}

fn of_revocation(revoked: &Revoked) -> Vec<Goal> {
    let ms = |samples: &Samples| samples.quantile(0.99).as_secs_f64() * 1e3;
    let goal = |what: &str, samples| {
        Goal::timed(format!("ms from revoke --all to the last {what}, p99"), ms(samples), ("<", 100.0))
    };
    let stopped = format!("of {CALLS} calls stopped");
    vec![goal("effect", &revoked.effects), goal(&stopped, &revoked.stops)]
}

pub fn print_all(goals: Vec<Goal>, busy: f64) {
    println!("\n{:<58} {:>10} {:>10}", "goals", "", "measured");
    for goal in goals {
        let (sign, bound) = goal.bound;
        let (bound, value) = (format!("{sign} {bound}"), shown(goal.measured));
        println!("{:<58} {bound:>10} {value:>10}  {}", goal.name, goal.verdict(busy));
    }
}

/// A number, or that there is none.
pub fn shown(value: Option<f64>) -> String {
    value.map_or("n/a".into(), |value| format!("{value:.2}"))
}

fn goals(floor: &Floor, measured: &Measured, cores: f64) -> Vec<Goal> {
    let answer = micros(measured.serial.answer.quantile(0.5)) / micros(floor.time());
    let mut goals = vec![Goal::timed("serial answer, p50: floors".into(), answer, ("<=", 2.0))];
    for level in &measured.levels {
        let at = format!("at {} connections", level.connections);
        if matches!(level.connections, 1 | 32) {
            let cpu = micros(level.gate_cpu) / micros(floor.cpu());
            goals.push(Goal::timed(format!("the gate's CPU {at}: CPU floors"), cpu, ("<=", 1.5)));
        }
        if level.connections >= 8 {
            let most = cores / (level.gate_cpu + level.client_cpu).as_secs_f64();
            let name = format!("calls/s {at}: of cores / CPU per call");
            goals.push(Goal::timed(name, level.calls_per_s / most, (">=", 0.7)));
        }
        if level.connections == 32 {
            goals.push(Goal::counted(format!("syncs per call {at}"), level.syncs, ("<", 0.3)));
            let tail = micros(level.latency.quantile(0.99)) / micros(level.latency.quantile(0.5));
            goals.push(Goal::timed(format!("p99 {at}: p50"), tail, ("<", 4.0)));
        }
    }
    goals.push(Goal::counted("bytes of log per executed call".into(), measured.log_bytes, ("<=", 3_000.0)));
    goals.push(Goal::timed("a denied call: executed calls".into(), measured.denied(), ("<=", 0.5)));
    let ready_ms = measured.ready.quantile(0.5).as_secs_f64() * 1e3;
    goals.push(Goal::timed("ms from start to ready, modules cached".into(), ready_ms, ("<=", 300.0)));
    let (idle, after) = (measured.rss.idle as f64 / 1024.0, measured.rss.after as f64 / 1024.0);
    goals.push(Goal::counted("MiB resident before the first call".into(), idle, ("<", 60.0)));
    let grown = format!("MiB more after {} calls", measured.rss.calls);
    goals.push(Goal::counted(grown, after - idle, ("<", 20.0)));
    goals
}
