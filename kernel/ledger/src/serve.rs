//! The writer's loop: what waits becomes one batch, and each commit gets its answer once the batch is durable.

use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::queue::{Close, Job, Rotate};
use crate::writer::{Verdict, Writer};

/// Commits judged and synced together.
const BATCH_MAX: usize = 512;
/// While callers come in numbers, a batch lets this long pass before it closes: about a sync's time, for which those who come
/// late would wait anyway. One caller alone never waits.
const GATHERING: Duration = Duration::from_micros(150);

/// Where jobs come from: the seam where a model decides who comes when.
pub trait Jobs {
    /// The next one, waited for; `None` when nobody can ask any more.
    fn wait(&self) -> Option<Job>;

    /// One that is there already.
    fn ready(&self) -> Option<Job>;

    /// Lets others come.
    fn pause(&self);
}

impl Jobs for Receiver<Job> {
    fn wait(&self) -> Option<Job> {
        self.recv().ok()
    }

    fn ready(&self) -> Option<Job> {
        self.try_recv().ok()
    }

    fn pause(&self) {
        std::thread::sleep(GATHERING);
    }
}

/// Why the loop is over.
pub enum End {
    Closed(Close),
    /// The writer must not be used again.
    Failed(io::Error),
    Alone,
}

/// What ends a batch and is done behind it.
enum Last {
    Rotate(Box<Rotate>),
    Close(Close),
}

/// Serves until the end. `tell` hears the verdicts of each batch before anybody is answered.
pub fn serve(writer: &mut Writer, jobs: &impl Jobs, tell: impl Fn(&[Verdict])) -> End {
    let mut is_crowded = false;
    while let Some(first) = jobs.wait() {
        if is_crowded {
            jobs.pause();
        }
        let served = match batch(writer, first, jobs, &tell, &mut is_crowded) {
            Ok(Some(Last::Rotate(asked))) => rotate(writer, *asked, &tell),
            Ok(Some(Last::Close(close))) => return End::Closed(close),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            return End::Failed(error);
        }
    }
    End::Alone
}

/// Serves what waits, and gives what must be done alone behind it.
fn batch(
    writer: &mut Writer,
    first: Job,
    jobs: &impl Jobs,
    tell: &impl Fn(&[Verdict]),
    is_crowded: &mut bool,
) -> io::Result<Option<Last>> {
    let (mut commits, mut answers, mut last) = (Vec::new(), Vec::new(), None);
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Commit { commit, answer, slot } => {
                commits.push(*commit);
                answers.push((answer, slot));
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
        next = if commits.len() < BATCH_MAX { jobs.ready() } else { None };
    }
    *is_crowded = commits.len() > 1;
    let verdicts = writer.commit(commits)?;
    tell(&verdicts);
    for (verdict, (answer, _slot)) in verdicts.into_iter().zip(answers) {
        // A caller that is gone asked for an entry that stands all the same.
        let _ = answer.send(verdict);
    }
    Ok(last)
}

fn rotate(writer: &mut Writer, asked: Rotate, tell: &impl Fn(&[Verdict])) -> io::Result<()> {
    let Rotate { key, signed, answer } = asked;
    let verdicts = [writer.rotate(&key, signed)?];
    tell(&verdicts);
    let [verdict] = verdicts;
    // Whoever asked may have gone; the entry stands.
    let _ = answer.send(verdict);
    Ok(())
}
