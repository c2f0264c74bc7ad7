//! The queue in front of the writer: what waits becomes one batch, and each commit gets its answer.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::{Commit, CommitError, Durability};
use latchgate_wire::entry::{Body, GateStopped, Signed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::lock::Lock;
use crate::writer::{Rejection, Verdict, Writer};
use crate::{checkpoint, indexer, proofread};

/// Commits that may wait; callers beyond wait to be let in.
const WAITING_MAX: usize = 4096;
/// Commits judged and synced together.
const BATCH_MAX: usize = 512;
/// While callers come in numbers, a batch lets this long pass before it closes: about a sync's time, for which those who come
/// late would wait anyway. One caller alone never waits.
const GATHERING: Duration = Duration::from_micros(150);

/// Called once when the log can no longer be trusted. It is not expected to return in production.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends the process with exit code 1, after a line on stderr.
pub fn exit_process() -> OnFatal {
    Arc::new(|why| {
        eprintln!("latchgate: {why}; nothing is assumed about the ledger from here on, the gate ends");
        std::process::exit(1)
    })
}

enum Job {
    Commit { commit: Box<Commit>, answer: oneshot::Sender<Verdict>, _slot: OwnedSemaphorePermit },
    Rotate(Box<Rotate>),
    Close(Close),
}

/// Another key for the log.
struct Rotate {
    key: SigningKey,
    signed: Signed,
    answer: oneshot::Sender<Verdict>,
}

/// What ends a batch and is done behind it.
enum Last {
    Rotate(Box<Rotate>),
    Close(Close),
}

struct Close {
    reason: String,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// The callers' end.
#[derive(Clone)]
pub struct Queue {
    jobs: Sender<Job>,
    slots: Arc<Semaphore>,
}

impl Queue {
    pub async fn commit(&self, commit: Commit) -> Verdict {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| ended())?;
        let (answer, verdict) = oneshot::channel();
        self.jobs.send(Job::Commit { commit: Box::new(commit), answer, _slot: slot }).map_err(|_| ended())?;
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
    let (jobs, waiting) = mpsc::channel();
    let on_fatal = Arc::clone(&running.on_fatal);
    let run = move || {
        // A panic leaves the state in doubt, as a failed write does.
        if catch_unwind(AssertUnwindSafe(|| running.run(&waiting))).is_err() {
            on_fatal("the ledger's writer panicked");
        }
    };
    let handle = std::thread::Builder::new().name("ledger".into()).spawn(run)?;
    Ok((Queue { jobs, slots: Arc::new(Semaphore::new(WAITING_MAX)) }, handle))
}

impl Running {
    fn run(mut self, waiting: &Receiver<Job>) {
        let mut is_crowded = false;
        while let Ok(first) = waiting.recv() {
            if is_crowded {
                std::thread::sleep(GATHERING);
            }
            match self.serve(first, waiting, &mut is_crowded) {
                Ok(None) => {}
                Ok(Some(Last::Rotate(rotate))) => {
                    let Rotate { key, signed, answer } = *rotate;
                    match self.writer.rotate(&key, signed) {
                        Ok(verdict) => {
                            let verdicts = [verdict];
                            self.tell(&verdicts);
                            let [verdict] = verdicts;
                            // Whoever asked may have gone; the entry stands.
                            let _ = answer.send(verdict);
                        }
                        Err(error) => {
                            (self.on_fatal)(&format!("writing the ledger failed: {error}"));
                            break;
                        }
                    }
                }
                Ok(Some(Last::Close(Close { reason, answer }))) => {
                    let closed = self.close(reason);
                    // Whoever closed may not wait for it.
                    let _ = answer.send(closed);
                    return;
                }
                Err(error) => {
                    (self.on_fatal)(&format!("writing the ledger failed: {error}"));
                    break;
                }
            }
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

    /// One batch: `first` and what waits behind it, up to what ends a batch. `is_crowded` says afterwards whether there were several.
    fn serve(
        &mut self,
        first: Job,
        waiting: &Receiver<Job>,
        is_crowded: &mut bool,
    ) -> io::Result<Option<Last>> {
        let (mut commits, mut answers, mut last) = (Vec::new(), Vec::new(), None);
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Commit { commit, answer, _slot } => {
                    commits.push(*commit);
                    answers.push((answer, _slot));
                }
                Job::Rotate(asked) => {
                    last = Some(Last::Rotate(asked));
                    break;
                }
                Job::Close(asked) => {
                    last = Some(Last::Close(asked));
                    break;
                }
            }
            next = if commits.len() < BATCH_MAX { waiting.try_recv().ok() } else { None };
        }
        *is_crowded = commits.len() > 1;
        let verdicts = self.writer.commit(commits)?;
        self.tell(&verdicts);
        for (verdict, (answer, _slot)) in verdicts.into_iter().zip(answers) {
            // A caller that is gone asked for an entry that stands all the same.
            let _ = answer.send(verdict);
        }
        Ok(last)
    }

    /// Lets the threads behind the log know of its growth.
    fn tell(&self, verdicts: &[Verdict]) {
        if let Some(index) = &self.index {
            index.feed.give(verdicts.iter().flatten().map(|committed| Arc::clone(&committed.line)));
        }
        self.checkpoints.asker.grown();
    }

    fn close(mut self, reason: String) -> Result<(), CommitError> {
        let stopped = Commit {
            trace_id: None,
            body: Body::GateStopped(GateStopped { reason }),
            payload: Durability::Buffered,
        };
        let failed = |error: io::Error| CommitError::Closed(format!("closing the ledger failed: {error}"));
        let verdicts = self.writer.commit(vec![stopped]).map_err(failed)?;
        self.tell(&verdicts);
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

impl From<CommitError> for Rejection {
    fn from(error: CommitError) -> Self {
        Self::Error(error)
    }
}
