//! One round: a call is held, and whatever was drawn happens to it at once.

use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use latchgate_tests::{Attempt, Chance, RawAgent, eventually};
use latchgate_wire::time::Timestamp;
use serde_json::{Value, json};

use crate::event::{Event, Ready};
use crate::ground::Ground;

/// How far two events of a round may be begun from each other, in microseconds: from nothing to longer than an execution.
const SPREADS_US: [u64; 4] = [1, 1_000, 8_000, 40_000];

/// Beyond every number of a round, and within what `tick` takes.
const EDITED: u64 = 500_000;

/// The call that a round is about.
pub struct Held {
    pub agent: RawAgent,
    pub id: String,
    pub action: &'static str,
    /// Never used before on this ground.
    pub number: u64,
    plan_digest: Value,
    expires_at: Timestamp,
    url: String,
}

/// What was drawn, and what each event was answered with.
pub struct Round {
    pub held: Held,
    pub events: Vec<(Event, Option<u16>)>,
}

impl Held {
    fn new(ground: &Ground, number: u64, chance: &mut Chance) -> Self {
        let agent = if chance.percent(60) { ground.user() } else { ground.enrolled() };
        // Of a hundred: waiting out a second costs one.
        let action = match chance.below(100) {
            0..45 => "tick",
            45..60 => "tick_two",
            60..68 => "tick_soon",
            _ => "fs_write",
        };
        let mut held = Self {
            agent,
            id: String::new(),
            action,
            number,
            plan_digest: Value::Null,
            expires_at: Timestamp::from_ms(0),
            url: ground.upstream.url("/effect"),
        };
        if let Some(path) = held.file(ground) {
            fs::write(path, OLD).unwrap();
        }
        let answer = held.call_by(&held.agent).send().expect(202);
        held.id = answer["approval_id"].as_str().unwrap().to_owned();
        let shown = ground.local.show(&held.id);
        held.plan_digest = shown["plan_digest"].clone();
        held.expires_at = serde_json::from_value(shown["expires_at"].clone()).unwrap();
        held
    }

    /// The route of a decision about it.
    pub fn path(&self, decision: &str) -> String {
        format!("/v1/approvals/{}/{decision}", self.id)
    }

    /// What a decision must name.
    pub fn shown(&self) -> Value {
        json!({ "plan_digest": self.plan_digest })
    }

    /// The same call.
    pub fn call_by(&self, agent: &RawAgent) -> Attempt {
        self.call(agent, self.number)
    }

    /// Another call that looks like it.
    pub fn edited_by(&self, agent: &RawAgent) -> Attempt {
        self.call(agent, self.edited())
    }

    pub fn edited(&self) -> u64 {
        self.number + EDITED
    }

    fn call(&self, agent: &RawAgent, number: u64) -> Attempt {
        if self.action == "fs_write" {
            return agent.call(self.action, &json!({ "path": self.name(), "content": content(number) }));
        }
        agent.call(self.action, &json!({ "url": self.url, "number": number }))
    }

    /// What the agent is called, by itself or by its enrolment.
    pub fn label(&self) -> &str {
        self.agent.principal.strip_prefix("agent:").unwrap_or("racer")
    }

    fn name(&self) -> String {
        format!("file-{}", self.number)
    }

    /// What the call would write, if that is what it does.
    pub fn file(&self, ground: &Ground) -> Option<PathBuf> {
        (self.action == "fs_write").then(|| ground.gate.root().join(self.name()))
    }
}

/// What a file holds before the call that would write it.
pub const OLD: &str = "old";
/// What somebody else makes of it.
pub const ANOTHER: &str = "another";

/// What `fs_write` writes for a number.
pub fn content(number: u64) -> String {
    format!("written {number}")
}

impl Round {
    /// Draws, lets it happen, and waits until nothing more can come of it.
    pub fn run(ground: &mut Ground, number: u64, restarts: bool, chance: &mut Chance) -> Self {
        let held = Held::new(ground, number, chance);
        let events = drawn(&held, chance);
        let spread_us = *chance.of(&SPREADS_US);
        let mut delay = || Duration::from_micros(chance.below(spread_us));
        let delays: Vec<Duration> = events.iter().map(|_| delay()).collect();
        let restart_after = delay();
        let kills = chance.percent(50);
        let ready: Vec<Ready> =
            events.iter().map(|event| Ready::new(*event, ground, &held, chance)).collect();
        await_expiry(&held, chance);
        let barrier = Barrier::new(ready.len() + 1);
        let (statuses, gate) = (&barrier, &mut ground.gate);
        let statuses: Vec<Option<u16>> = thread::scope(|scope| {
            let happen = |(ready, delay): (&Ready, Duration)| {
                statuses.wait();
                pass(delay);
                ready.happen().map(|reply| reply.status)
            };
            let happening = ready.iter().zip(delays).map(|pair| scope.spawn(move || happen(pair)));
            let happening: Vec<_> = happening.collect();
            barrier.wait();
            if restarts {
                pass(restart_after);
                if kills {
                    gate.kill9();
                }
                gate.restart();
            }
            happening.into_iter().map(|event| event.join().unwrap()).collect()
        });
        let mut happened: Vec<_> = events.iter().copied().zip(statuses).collect();
        if restarts {
            happened.push((Event::Restart, Some(200)));
        }
        ground.settle();
        Self { held, events: happened }
    }
}

/// Approvals in three rounds of four, and two to six of everything.
fn drawn(held: &Held, chance: &mut Chance) -> Vec<Event> {
    let mut events = Vec::new();
    if chance.percent(75) {
        events.push(Event::Approve);
    }
    if held.action == "tick_two" && chance.percent(60) {
        events.push(if chance.percent(50) { Event::ApproveAgain } else { Event::ApproveByAnother });
    }
    for _ in 0..=chance.below(5) {
        events.push(*chance.of(&Event::DRAWN));
    }
    // One at a time: a file, a lease and a proof are made ready for each.
    for last in (1..events.len()).rev() {
        let other = usize::try_from(chance.below(last as u64 + 1)).unwrap();
        events.swap(last, other);
    }
    events
}

/// A call that expires within a second is raced for around that moment.
fn await_expiry(held: &Held, chance: &mut Chance) {
    if held.action != "tick_soon" || chance.percent(30) {
        return;
    }
    let early_ms = i64::try_from(chance.below(60)).unwrap();
    let moment = held.expires_at.plus_ms(20 - early_ms);
    let now = || -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
    };
    eventually("the moment of expiry", || (now() >= moment).then_some(()));
}

/// Lets so much time pass, as exactly as the scheduler can: the order of the events hangs on it and nothing else.
fn pass(delay: Duration) {
    let until = Instant::now() + delay;
    while Instant::now() < until {
        thread::yield_now();
    }
}
