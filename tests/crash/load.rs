//! What runs while the gate is killed: callers that write, send and read as fast as they are answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use latchgate_tests::{Attempt, Chance, Connection, RawAgent, Reply, Upstream};
use serde_json::{Value, json};

pub const CALLERS: u64 = 4;
/// Paths that are written, again and again: few, so that writes replace each other.
const PATHS: u64 = 3;

/// An answer that was read to its last byte: a promise of the gate.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub body: Value,
    /// The number that was sent to the service, if any.
    pub number: Option<u64>,
    /// The moment of the recording behind the answer, where there is one.
    pub moment: u64,
}

/// Numbers that were never sent before, and the promises collected so far in this run.
pub struct Load<'a> {
    pub upstream: &'a Upstream,
    pub numbers: &'a AtomicU64,
    answered: Mutex<Vec<Answered>>,
    moment: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl<'a> Load<'a> {
    pub fn new(upstream: &'a Upstream, numbers: &'a AtomicU64) -> Self {
        Self { upstream, numbers, answered: Mutex::default(), moment: Box::new(|| 0) }
    }

    /// Each answer is noted with the moment that this tells.
    #[must_use]
    pub fn timed(self, moment: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { moment: Box::new(moment), ..self }
    }

    /// How many calls were answered.
    pub fn answered(&self) -> usize {
        self.answered.lock().unwrap().len()
    }

    /// How many were answered that the gate cannot take any now.
    pub fn refused(&self) -> usize {
        self.answered.lock().unwrap().iter().filter(|answered| answered.status == 503).count()
    }

    pub fn promises(self) -> Vec<Answered> {
        self.answered.into_inner().unwrap()
    }

    /// Runs callers until the gate is gone; meanwhile `watch` decides when that is to be.
    pub fn run(&self, agent: &RawAgent, chance: &mut Chance, watch: impl FnOnce(&Self)) {
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                let mut chance = Chance::new(chance.draw());
                scope.spawn(move || self.call_until_the_end(agent, &mut chance));
            }
            watch(self);
        });
    }

    fn call_until_the_end(&self, agent: &RawAgent, chance: &mut Chance) {
        loop {
            let (attempt, number) = self.draw(agent, chance);
            let Some(reply) = sent(agent, attempt) else { return };
            let moment = (self.moment)();
            let answered = Answered { status: reply.status, body: reply.json(), number, moment };
            self.answered.lock().unwrap().push(answered);
        }
    }

    /// Of ten calls four send, three write, two read, and one is refused.
    fn draw(&self, agent: &RawAgent, chance: &mut Chance) -> (Attempt, Option<u64>) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        match chance.below(10) {
            0..4 => {
                let args = json!({ "url": self.upstream.url("/tick"), "number": number });
                let call = agent.call("tick", &args);
                let keyed = chance.below(2) == 0;
                (if keyed { call.idempotency_key(&format!("key-{number}")) } else { call }, Some(number))
            }
            4..7 => {
                let path = format!("file-{}", chance.below(PATHS));
                let args = json!({ "path": path, "content": format!("content {number}") });
                (agent.call("fs_write", &args), None)
            }
            7..9 => (agent.call("fs_read", &json!({ "path": "fixed" })), None),
            _ => (agent.call("no_such_action", &json!({ "number": number })), None),
        }
    }
}

/// The whole answer, or none because the gate is gone.
fn sent(agent: &RawAgent, attempt: Attempt) -> Option<Reply> {
    let mut connection = Connection::try_open(&agent.socket).ok()?;
    connection.send(&attempt.bytes());
    connection.try_reply()
}
