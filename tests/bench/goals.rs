//! What was measured against what was promised.

use crate::floor::Floor;
use crate::measure::micros;
use crate::{Measured, machine};

struct Goal {
    name: String,
    /// `None` where this gate cannot be asked.
    measured: Option<f64>,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(&self, measured: f64) -> bool {
        match self {
            Self::AtMost(bound) => measured <= *bound,
            Self::Below(bound) => measured < *bound,
            Self::AtLeast(bound) => measured >= *bound,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound:.1}"),
            Self::Below(bound) => format!("< {bound:.1}"),
            Self::AtLeast(bound) => format!(">= {bound:.1}"),
        }
    }
}

pub fn print(floor: &Floor, measured: &Measured) {
    println!("\n{:<58} {:>10} {:>10}  {}", "goal", "", "measured", "");
    for goal in goals(floor, measured) {
        let verdict = match goal.measured {
            Some(value) if goal.bound.holds(value) => "pass",
            Some(_) => "MISS",
            None => "not measured",
        };
        let value = goal.measured.map_or("n/a".into(), |value| format!("{value:.2}"));
        println!("{:<58} {:>10} {value:>10}  {verdict}", goal.name, goal.bound.text());
    }
}

fn goals(floor: &Floor, measured: &Measured) -> Vec<Goal> {
    let answer = micros(measured.serial.answer.quantile(0.5));
    let mut goals = vec![Goal {
        name: "serial p50 of the answer, floors".into(),
        measured: Some(answer / micros(floor.time())),
        bound: Bound::AtMost(2.0),
    }];
    for level in measured.levels.iter().filter(|level| [1, 32].contains(&level.connections)) {
        goals.push(Goal {
            name: format!("gate CPU at {} connections, floors", level.connections),
            measured: Some(micros(level.gate_cpu) / micros(floor.cpu())),
            bound: Bound::AtMost(1.5),
        });
    }
    let cores = machine::cores().unwrap_or(1) as f64;
    for level in measured.levels.iter().filter(|level| level.connections >= 8) {
        let most = cores / (level.gate_cpu + level.client_cpu).as_secs_f64();
        goals.push(Goal {
            name: format!("calls/s at {} connections, of cores / CPU per call", level.connections),
            measured: Some(level.calls_per_s / most),
            bound: Bound::AtLeast(0.7),
        });
    }
    goals.extend(measured.levels.iter().filter(|level| level.connections == 32).map(|level| Goal {
        name: "syncs per call at 32 connections".into(),
        measured: level.syncs,
        bound: Bound::Below(0.3),
    }));
    goals.push(Goal {
        name: "log bytes per executed call".into(),
        measured: Some(measured.log_bytes),
        bound: Bound::AtMost(3_000.0),
    });
    goals
}
