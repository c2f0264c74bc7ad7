//! The queue in front of the writer, and what begins and ends with it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::{Commit, CommitError, Durability};
use latchgate_wire::entry::{Body, GateStopped, Signed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::lock::Lock;
use crate::serve::{self, End};
use crate::writer::{Rejection, Verdict, Writer};
use crate::{checkpoint, indexer, proofread};

/// Commits that may wait; callers beyond wait to be let in.
const WAITING_MAX: usize = 4096;
/// Called once when the log can no longer be trusted. It is not expected to return in production.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends the process with exit code 1, after a line on stderr.
pub fn exit_process() -> OnFatal {
    Arc::new(|why| {
        eprintln!("latchgate: {why}; nothing is assumed about the ledger from here on, the gate ends");
        std::process::exit(1)
    })
}

/// What the writer is asked for.
pub enum Job {
    Commit { commit: Box<Commit>, answer: oneshot::Sender<Verdict>, slot: OwnedSemaphorePermit },
    Rotate(Box<Rotate>),
    Close(Close),
}

/// Another key for the log.
pub struct Rotate {
    pub key: SigningKey,
    pub signed: Signed,
    pub answer: oneshot::Sender<Verdict>,
}

/// The end of the log for this process.
pub struct Close {
    pub reason: String,
    pub answer: oneshot::Sender<Result<(), CommitError>>,
}

/// The callers' end.
#[derive(Clone)]
pub struct Queue {
    jobs: Sender<Job>,
    slots: Arc<Semaphore>,
}

impl Queue {
    /// A queue and its other end.
    pub fn new() -> (Self, Receiver<Job>) {
        let (jobs, waiting) = mpsc::channel();
        (Self { jobs, slots: Arc::new(Semaphore::new(WAITING_MAX)) }, waiting)
    }

    pub async fn commit(&self, commit: Commit) -> Verdict {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| ended())?;
        let (answer, verdict) = oneshot::channel();
        self.jobs.send(Job::Commit { commit: Box::new(commit), answer, slot }).map_err(|_| ended())?;
        verdict.await.map_err(|_| ended())?
    }

    pub async fn rotate(&self, key: SigningKey, signed: Signed) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        self.jobs.send(Job::Rotate(Box::new(Rotate { key, signed, answer }))).map_err(|_| ended())?;
        verdict.await.map_err(|_| ended())?
    }

    pub async fn close(&self, reason: &str) -> Result<(), CommitError> {
        let (answer, closed) = oneshot::channel();
        let gone = || CommitError::Closed("it is closed".into());
        self.jobs.send(Job::Close(Close { reason: reason.to_owned(), answer })).map_err(|_| gone())?;
        closed.await.map_err(|_| gone())?
    }
}

fn ended() -> Rejection {
    Rejection::Error(CommitError::Closed("it is closed".into()))
}

/// Everything that ends with the writer. The lock goes last.
pub struct Running {
    pub writer: Writer,
    pub checkpoints: checkpoint::Thread,
    pub index: Option<indexer::Thread>,
    pub proofread: Option<proofread::Thread>,
    pub on_fatal: OnFatal,
    pub lock: Lock,
}

/// Starts the thread. It ends at a close, at a fatal failure, or when every [`Queue`] is gone.
pub fn start(running: Running) -> io::Result<(Queue, JoinHandle<()>)> {
    let (queue, waiting) = Queue::new();
    let on_fatal = Arc::clone(&running.on_fatal);
    let run = move || {
        // A panic leaves the state in doubt, as a failed write does.
        if catch_unwind(AssertUnwindSafe(|| running.run(&waiting))).is_err() {
            on_fatal("the ledger's writer panicked");
        }
    };
    let handle = std::thread::Builder::new().name("ledger".into()).spawn(run)?;
    Ok((queue, handle))
}

impl Running {
    fn run(mut self, waiting: &Receiver<Job>) {
        let Self { writer, checkpoints, index, .. } = &mut self;
        let ended = serve::serve(writer, waiting, |verdicts| tell(checkpoints, index.as_ref(), verdicts));
        match ended {
            End::Closed(Close { reason, answer }) => {
                let closed = self.close(reason);
                // Whoever closed may not wait for it.
                let _ = answer.send(closed);
                return;
            }
            End::Failed(error) => (self.on_fatal)(&format!("writing the ledger failed: {error}")),
            End::Alone => {}
        }
        self.checkpoints.stop();
        if let Some(proofread) = self.proofread {
            proofread.end();
        }
        if let Some(index) = self.index {
            index.end();
        }
        drop(self.lock);
    }

    fn close(mut self, reason: String) -> Result<(), CommitError> {
        let stopped = Commit {
            trace_id: None,
            body: Body::GateStopped(GateStopped { reason }),
            payload: Durability::Buffered,
        };
        let failed = |error: io::Error| CommitError::Closed(format!("closing the ledger failed: {error}"));
        let verdicts = self.writer.commit(vec![stopped]).map_err(failed)?;
        tell(&self.checkpoints, self.index.as_ref(), &verdicts);
        self.writer.tail.seal().map_err(failed)?;
        self.writer.payloads.close().map_err(failed)?;
        self.checkpoints.finish();
        if let Some(proofread) = self.proofread {
            proofread.end();
        }
        if let Some(index) = self.index {
            index.end();
        }
        drop(self.lock);
        match verdicts.into_iter().next() {
            Some(Err(Rejection::Error(error))) => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

/// Lets the threads behind the log know of its growth.
fn tell(checkpoints: &checkpoint::Thread, index: Option<&indexer::Thread>, verdicts: &[Verdict]) {
    if let Some(index) = index {
        index.feed.give(verdicts.iter().flatten().map(|committed| Arc::clone(&committed.line)));
    }
    checkpoints.asker.grown();
}

impl From<CommitError> for Rejection {
    fn from(error: CommitError) -> Self {
        Self::Error(error)
    }
}
