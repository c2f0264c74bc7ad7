//! Host interface `fs`: performs a planned file operation and notes what came of it.

use std::sync::Arc;

use latchgate_monitor::plan::{Content, FsOperation, FsStep, Step};
use latchgate_monitor::steps::{Observed, StepFailure};
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::receipt::{EffectStatus, FailureClass};
use tokio::time::{Instant, timeout_at};

use crate::bindings::fs::{Error, Found, Host, Match, Node, NodeKind, Observation, Written};
use crate::call::Call;
use crate::roots::{self, Failure, Kind, Output, Roots, TemporaryName};

impl Host for Call {
    async fn perform(&mut self, step: u32) -> wasmtime::Result<Result<Observation, Error>> {
        self.count()?;
        let job = Arc::clone(&self.job);
        let index = step as usize;
        let planned = match self.begin(&job, index, |step| match step {
            Step::Fs(step) => Some(step),
            Step::Http(_) => None,
        }) {
            Ok(planned) => planned,
            Err(why) => return Ok(Err(Error::Refused(why))),
        };
        let temporary = TemporaryName::of_call(&job.salt);
        match perform(&self.roots, planned, temporary, self.deadlines.host_calls).await {
            Ok(output) => {
                self.journal.end(done(index, planned, &output, &job.salt));
                Ok(Ok(observation(output)))
            }
            Err(failure) => {
                self.journal.end(failed(index, &failure));
                Ok(Err(error(failure)))
            }
        }
    }
}

/// A small file is read on the spot; everything else waits for a disk, elsewhere.
async fn perform(
    roots: &Roots,
    step: &FsStep,
    temporary: TemporaryName,
    deadline: Instant,
) -> Result<Output, Failure> {
    if step.operation == FsOperation::Read {
        let file = roots.open_file(step)?;
        let bytes_max = step.bytes_max;
        if file.is_small() {
            return file.read(bytes_max).map(Output::Content);
        }
        return elsewhere(step, deadline, move || file.read(bytes_max).map(Output::Content)).await;
    }
    let (roots, planned) = (roots.clone(), step.clone());
    elsewhere(step, deadline, move || roots.perform(&planned, &temporary)).await
}

async fn elsewhere(
    step: &FsStep,
    deadline: Instant,
    work: impl FnOnce() -> Result<Output, Failure> + Send + 'static,
) -> Result<Output, Failure> {
    let why = match timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => return done,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the deadline passed".into(),
    };
    let message = format!("{} of `{}` did not end: {why}", step.operation.as_str(), step.path.as_str());
    let failure = Failure::new(Kind::Failed, message);
    match step.operation {
        FsOperation::Read | FsOperation::List | FsOperation::Search => Err(failure),
        FsOperation::Write | FsOperation::Delete => Err(failure.unknown()),
    }
}

fn done(index: usize, step: &FsStep, output: &Output, salt: &Salt) -> Observed {
    let seen = |bytes: &[u8]| (bytes.len() as u64, Some(Digest::salted(salt, bytes)));
    let (bytes, digest) = match output {
        Output::Content(content) => seen(content),
        Output::Listing(nodes) => seen(&roots::canonical(nodes)),
        Output::Found(found) => seen(&roots::canonical_matches(&found.matches)),
        // It was decoded to be written.
        Output::Written { .. } => {
            seen(&step.content.as_ref().map(Content::bytes).and_then(Result::ok).unwrap_or_default())
        }
        Output::Removed => (0, None),
    };
    Observed {
        step: index,
        status: EffectStatus::Done,
        http_status: None,
        is_refusal: false,
        bytes,
        digest,
        failure: None,
    }
}

fn failed(step: usize, failure: &Failure) -> Observed {
    let class = match failure.kind {
        Kind::Root | Kind::Refused | Kind::TooLarge => FailureClass::Refused,
        // It was there when the plan was made.
        Kind::NotFound | Kind::Changed => FailureClass::Changed,
        Kind::Failed => FailureClass::ProviderFailed,
    };
    let told =
        StepFailure { class, message: failure.message.clone(), remediation: failure.remediation.clone() };
    Observed {
        step,
        status: failure.effect,
        http_status: None,
        is_refusal: false,
        bytes: 0,
        digest: None,
        failure: Some(told),
    }
}

fn error(failure: Failure) -> Error {
    let message = failure.message;
    // "Nothing was touched" is part of what the other variants mean.
    if failure.effect != EffectStatus::None {
        return Error::Failed(message);
    }
    match failure.kind {
        Kind::Root | Kind::Refused => Error::Refused(message),
        Kind::NotFound => Error::NotFound(message),
        Kind::Changed => Error::Changed(message),
        Kind::TooLarge => Error::TooLarge(message),
        Kind::Failed => Error::Failed(message),
    }
}

fn observation(output: Output) -> Observation {
    match output {
        Output::Content(content) => Observation::Content(content),
        Output::Listing(nodes) => Observation::Listing(nodes.into_iter().map(node).collect()),
        Output::Written { size, is_new } => Observation::Written(Written { size, created: is_new }),
        Output::Removed => Observation::Removed,
        Output::Found(found) => Observation::Found(seen(found)),
    }
}

fn seen(found: roots::Found) -> Found {
    let matches = found.matches.into_iter();
    Found {
        matches: matches.map(|one| Match { path: one.path, line: one.line, text: one.text }).collect(),
        truncated: found.is_truncated,
    }
}

fn node(node: roots::Node) -> Node {
    let kind = match node.kind {
        roots::NodeKind::File => NodeKind::File,
        roots::NodeKind::Directory => NodeKind::Directory,
        roots::NodeKind::Symlink => NodeKind::Symlink,
        roots::NodeKind::Other => NodeKind::Other,
    };
    Node { name: node.name, kind, size: node.size }
}
