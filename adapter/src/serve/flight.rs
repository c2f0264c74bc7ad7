//! One call on its way: running at the gate, held for a person, or ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use latchgate_client::ClientError;
use latchgate_wire::api::{ActionInfo, Executed, Pending};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::jcs;
use latchgate_wire::receipt::EffectStatus;
use serde_json::Value;
use tokio::sync::watch;

/// How a call ended.
pub type Ending = Arc<Result<Executed, ClientError>>;

/// Tool and arguments: what an agent repeats when it wants the same answer, not the same thing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(Digest);

impl Identity {
    /// # Errors
    /// Arguments that have no canonical form, such as numbers beyond the range of a double.
    pub fn of(action_id: &str, args: &Value) -> Result<Self, ClientError> {
        let args = jcs::canonical(args).map_err(|error| ClientError::Input(format!("arguments: {error}")))?;
        Ok(Self(Digest::concat(&[action_id.as_bytes(), b"\n", &args])))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

#[derive(Clone, Debug)]
enum State {
    Running,
    Held(Pending),
    Ended(Ending),
}

/// Where a call came to.
pub enum Landed {
    Held(Pending),
    Ended(Ending),
}

/// A call. Whoever asks for the same joins it; it goes on when nobody does.
pub struct Flight {
    pub action: Arc<ActionInfo>,
    pub args: Value,
    pub identity: Identity,
    state: watch::Sender<State>,
    /// The user of the client has been told that it waits.
    told: AtomicBool,
    /// Requests that wait for it.
    asking: AtomicUsize,
}

impl Flight {
    /// One request waits for it.
    pub fn new(action: Arc<ActionInfo>, args: Value, identity: Identity) -> Arc<Self> {
        let state = watch::Sender::new(State::Running);
        let (told, asking) = (AtomicBool::new(false), AtomicUsize::new(1));
        Arc::new(Self { action, args, identity, state, told, asking })
    }

    pub fn one_more_asks(&self) {
        self.asking.fetch_add(1, Ordering::SeqCst);
    }

    /// True if nobody asks any more.
    pub fn one_less_asks(&self) -> bool {
        self.asking.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub fn is_asked_for(&self) -> bool {
        self.asking.load(Ordering::SeqCst) > 0
    }

    pub fn is_read(&self) -> bool {
        self.action.annotations.read_only_hint
    }

    pub fn ending(&self) -> Option<Ending> {
        match &*self.state.borrow() {
            State::Ended(ending) => Some(Arc::clone(ending)),
            State::Running | State::Held(_) => None,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(&*self.state.borrow(), State::Running)
    }

    pub fn held_as(&self) -> Option<ApprovalId> {
        match &*self.state.borrow() {
            State::Held(pending) => Some(pending.approval_id),
            State::Running | State::Ended(_) => None,
        }
    }

    pub fn hold(&self, pending: Pending) {
        self.state.send_replace(State::Held(pending));
    }

    /// The first ending is the one.
    pub fn end(&self, ended: Result<Executed, ClientError>) -> Ending {
        let ending = Arc::new(ended);
        self.state.send_if_modified(|state| {
            let is_open = !matches!(state, State::Ended(_));
            if is_open {
                *state = State::Ended(Arc::clone(&ending));
            }
            is_open
        });
        ending
    }

    /// Held or ended, whichever comes.
    pub async fn landed(&self) -> Landed {
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Running => {}
                State::Held(pending) => return Landed::Held(pending.clone()),
                State::Ended(ending) => return Landed::Ended(Arc::clone(ending)),
            }
            // The sender lives as long as this.
            if state.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// True the first time.
    pub fn tell(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

/// Whether asking again would do nothing twice even if this answer was never seen.
pub fn is_harmless(ending: &Result<Executed, ClientError>) -> bool {
    match ending {
        Ok(_) => false,
        Err(ClientError::Problem(problem)) => problem.effect == EffectStatus::None,
        // Joined by the gate with what became of it.
        Err(_) => true,
    }
}
