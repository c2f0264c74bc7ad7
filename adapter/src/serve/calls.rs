//! Calls: each made once at the gate, in a task of its own that no cancelled request takes along.
//!
//! Calls that are not reads carry no idempotency key, on purpose. The gate joins such a call with an identical one of the same
//! owner that is held, running or not delivered, and so an agent whose adapter was started anew still finds the call that it
//! left; a key of this process's making would hide it, and one that outlived the process would keep an agent from meaning the
//! same thing twice. Delivered means: to the client. The gate waits for our word on that (`Confirmed`), and an adapter that
//! dies with an answer in its hands leaves a call that is joined. Within the process, `Undelivered` does what a key would.

use std::sync::Arc;
use std::time::Duration;

use latchgate_client::{CallOptions, CallOutcome, ClientError};
use latchgate_wire::api::{ActionInfo, Executed, Pending};
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::problem::Code;
use serde_json::Value;

use super::confirmed::Confirmed;
use super::flight::{Ending, Flight, Identity, is_harmless};
use super::link::Link;
use super::undelivered::Undelivered;

/// Between attempts to reach a gate that has just gone.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts to withdraw an approval.
const ATTEMPTS: usize = 10;

/// The calls of one agent.
pub struct Calls {
    link: Arc<Link>,
    undelivered: Undelivered,
    confirmed: Confirmed,
}

impl Calls {
    pub fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self { link, undelivered: Undelivered::default(), confirmed: Confirmed::default() })
    }

    /// Makes a call, or joins the same one if its answer is still to be given.
    ///
    /// # Errors
    /// Arguments that cannot be sent.
    pub fn begin(self: &Arc<Self>, action: Arc<ActionInfo>, args: Value) -> Result<Arc<Flight>, ClientError> {
        let identity = Identity::of(&action.action_id, &args)?;
        if let Some(flight) = self.undelivered.join(&identity) {
            return Ok(flight);
        }
        let flight = Flight::new(action, args, identity);
        // Two reads at once are two reads. Only a held one is waited for again.
        if !flight.is_read() {
            self.undelivered.open(&flight);
        }
        tokio::spawn(Arc::clone(self).run(Arc::clone(&flight)));
        Ok(flight)
    }

    async fn run(self: Arc<Self>, flight: Arc<Flight>) {
        // Who repeats a call after its answer means it again: the gate must know that before.
        if let Err(error) = self.confirmed.tell(&flight.identity, &self.link).await {
            self.end(&flight, Err(error));
            return;
        }
        let mut outcome = self.ask(&flight).await;
        if matches!(outcome, Err(ClientError::AnswerLost(_))) {
            // The gate knows what became of it, or that nobody knows: an identical call is told.
            tokio::time::sleep(PAUSE).await;
            let again = self.ask(&flight).await;
            if !matches!(again, Err(ClientError::Unreachable { .. })) {
                outcome = again;
            }
        }
        match outcome {
            Ok(CallOutcome::Pending(pending)) => self.held(&flight, *pending).await,
            Ok(CallOutcome::Executed(executed)) => drop(self.end(&flight, Ok(*executed))),
            Err(error) => drop(self.end(&flight, Err(error))),
        }
    }

    async fn ask(&self, flight: &Flight) -> Result<CallOutcome, ClientError> {
        let agent = self.link.agent().await?;
        agent.call(&flight.action.action_id, &flight.args, &CallOptions::default()).await
    }

    async fn held(self: &Arc<Self>, flight: &Arc<Flight>, pending: Pending) {
        let id = pending.approval_id;
        // A read is open from here on: whoever repeats it waits for the same decision.
        self.undelivered.open(flight);
        flight.hold(pending);
        if !flight.is_asked_for() {
            self.withdraw(flight, id).await;
        }
    }

    /// Ends a call. Answers that must not be lost are kept until they are given.
    pub fn end(&self, flight: &Arc<Flight>, ended: Result<Executed, ClientError>) -> Ending {
        if is_harmless(&ended) {
            self.undelivered.close(flight);
        }
        flight.end(ended)
    }

    /// What became of a held call, with `wait` at its decision. `None`: it still waits.
    ///
    /// # Errors
    /// Why it cannot be asked now. What became of the call is no error here.
    pub async fn decided(
        &self,
        id: ApprovalId,
        wait: Option<Duration>,
    ) -> Result<Option<Result<Executed, ClientError>>, ClientError> {
        match self.link.agent().await?.answer(id, wait).await {
            Ok(CallOutcome::Executed(executed)) => Ok(Some(Ok(*executed))),
            Ok(CallOutcome::Pending(_)) => Ok(None),
            Err(error) if is_about_the_way(&error) => Err(error),
            Err(error) => Ok(Some(Err(error))),
        }
    }

    /// A request no longer wants the answer. A held call that nobody else waits for is taken back.
    pub fn cancelled(self: &Arc<Self>, flight: &Arc<Flight>) {
        let is_last = self.undelivered.leave(flight);
        if let (true, Some(id)) = (is_last, flight.held_as()) {
            let (calls, flight) = (Arc::clone(self), Arc::clone(flight));
            tokio::spawn(async move { calls.withdraw(&flight, id).await });
        }
    }

    /// A request goes without the answer and leaves the call as it is.
    pub fn left(&self, flight: &Arc<Flight>) {
        let _others = self.undelivered.leave(flight);
    }

    /// The answer is given. Once it is written, [`Self::written`].
    pub fn given(&self, flight: &Arc<Flight>) {
        let _others = self.undelivered.leave(flight);
        if let Some(ending) = flight.ending().filter(|_| !flight.is_read()) {
            self.confirmed.given(flight.identity, &ending);
        }
        self.undelivered.close(flight);
    }

    /// The request that the answer was given to had been cancelled, so nobody has seen it.
    pub fn not_given(&self, flight: &Arc<Flight>) {
        self.confirmed.not_given(&flight.identity);
        if let Some(ending) = flight.ending()
            && !is_harmless(&ending)
            && !flight.is_read()
        {
            self.undelivered.open(flight);
        }
    }

    /// The answer is written: the gate is told, now or when it is back.
    pub fn written(self: &Arc<Self>, identity: Identity) {
        let calls = Arc::clone(self);
        tokio::spawn(async move {
            for _ in 0..ATTEMPTS {
                match calls.confirmed.tell(&identity, &calls.link).await {
                    Err(error) if is_about_the_way(&error) => tokio::time::sleep(PAUSE).await,
                    Err(error) => {
                        return tracing::warn!(%error, "an answer's delivery is not taken by the gate");
                    }
                    Ok(()) => return,
                }
            }
        });
    }

    pub fn given_by_approval(self: &Arc<Self>, id: ApprovalId, ended: &Result<Executed, ClientError>) {
        self.undelivered.close_held(id);
        if let Ok(executed) = ended {
            let (link, receipt) = (Arc::clone(&self.link), executed.receipt_id);
            tokio::spawn(async move {
                let told = async { link.agent().await?.delivered(receipt).await };
                if let Err(error) = told.await {
                    tracing::warn!(%receipt, %error, "an answer's delivery could not be told");
                }
            });
        }
    }

    pub fn taken_back(&self, id: ApprovalId) {
        self.undelivered.close_held(id);
    }

    async fn withdraw(&self, flight: &Arc<Flight>, id: ApprovalId) {
        match self.take_back(id).await {
            Ok(()) => {
                self.undelivered.close(flight);
            }
            // Decided in the same moment, or the gate is away: whoever repeats the call is told.
            Err(error) => tracing::warn!(approval = %id, %error, "a cancelled call could not be withdrawn"),
        }
    }

    /// Takes a held call back.
    ///
    /// # Errors
    /// `approval_decided` if that came first.
    pub async fn take_back(&self, id: ApprovalId) -> Result<(), ClientError> {
        let mut attempt = 1;
        loop {
            let withdrawn = match self.link.agent().await {
                Ok(agent) => agent.withdraw(id).await.map(|_| ()),
                Err(error) => Err(error),
            };
            match withdrawn {
                Err(error) if is_about_the_way(&error) && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

/// Between here and the gate, or the gate's own state: says nothing of the call.
fn is_about_the_way(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::AnswerLost(_) => true,
        ClientError::Problem(_) => {
            matches!(error.code(), Some(Code::Unavailable | Code::Draining | Code::RateLimited))
        }
        _ => false,
    }
}
