//! Commits from several callers under every order that a scheduler can find.
//!
//! Real here: the queue, the loop that serves it, the writer, its segment and the published view. Modelled: the disk, which lets
//! others run between a write and its sync and knows what is durable; who runs when; and the threads behind the log, which are
//! left out. What is asked: each caller is answered once, and only for what is durable and published; the log is what was
//! answered, in order; one key signs each entry; behind a close or a failed sync nothing is promised.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use latchgate_monitor::ports::Refusal;
use latchgate_wire::entry::*;
use latchgate_wire::keychain::Keychain;
use shuttle::future::block_on;
use shuttle::thread;

use crate::disk::{Disk, DiskFile};
use crate::payload::{self, PayloadStore};
use crate::queue::{Job, Queue};
use crate::segment::{self, Tail};
use crate::serve::{End, Jobs, serve};
use crate::signers::Signers;
use crate::state::{Objection, State};
use crate::testing::*;
use crate::view::{Synced, View};
use crate::writer::{Rejection, Verdict, Writer};

const SCHEDULES: usize = 100;
const SEED: u64 = 20_261_120;
/// The default of 32 KiB is too little for the fold of a debug build.
const STACK_BYTES: usize = 1 << 20;

/// Entries that are there when a model begins.
const BEGINS: u64 = 3;

/// The queue's end, waited at without stopping the whole model.
struct Scheduled(Receiver<Job>);

impl Jobs for Scheduled {
    fn wait(&self) -> Option<Job> {
        loop {
            match self.0.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => thread::yield_now(),
            }
        }
    }

    fn ready(&self) -> Option<Job> {
        thread::yield_now();
        self.0.try_recv().ok()
    }

    fn pause(&self) {
        thread::yield_now();
    }
}

/// One file, of which only what was synced counts.
#[derive(Clone, Default)]
struct ModelDisk(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    written: Vec<u8>,
    durable: Vec<u8>,
    syncs_left: Option<u64>,
}

impl Disk for ModelDisk {
    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.clone()))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.create(path)
    }
}

impl DiskFile for ModelDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().written.len() as u64)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        thread::yield_now();
        let (mut content, from) = (self.0.lock().unwrap(), offset as usize);
        content.written.resize(from, 0);
        content.written.extend_from_slice(bytes);
        drop(content);
        thread::yield_now();
        Ok(())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let wrote = self.0.lock().unwrap().written.clone();
        thread::yield_now();
        let mut content = self.0.lock().unwrap();
        match content.syncs_left {
            Some(0) => return Err(io::Error::other("the disk is gone")),
            Some(left) => content.syncs_left = Some(left - 1),
            None => {}
        }
        content.durable = wrote;
        Ok(())
    }
}

/// What everybody shares.
struct Model {
    queue: Queue,
    disk: ModelDisk,
    view: Arc<View>,
    /// What was answered, by place.
    answered: Mutex<BTreeMap<u64, Vec<u8>>>,
    told: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
}

impl Model {
    /// One commit and what must hold when its answer is there.
    fn commit(&self, body: Body) -> Option<u64> {
        self.hear(block_on(self.queue.commit(commit(body))))
    }

    fn hear(&self, verdict: Verdict) -> Option<u64> {
        match verdict {
            Ok(committed) => {
                let line = committed.line.bytes().to_vec();
                let durable = self.disk.0.lock().unwrap().durable.clone();
                assert!(
                    durable.split(|byte| *byte == b'\n').any(|found| found == line),
                    "{} was answered and is not durable",
                    committed.seq
                );
                assert!(
                    self.view.size() > committed.seq,
                    "{} was answered and cannot be read",
                    committed.seq
                );
                assert!(self.told.load(Ordering::SeqCst) > committed.seq, "nobody behind the log was told");
                let again = self.answered.lock().unwrap().insert(committed.seq, line);
                assert!(again.is_none(), "{} was answered twice", committed.seq);
                Some(committed.seq)
            }
            Err(Rejection::Objection(Objection::Refused(Refusal::GrantUsed))) => {
                // What it was refused for is durable, also if it came in the same batch.
                let durable = String::from_utf8(self.disk.0.lock().unwrap().durable.clone()).unwrap();
                assert!(durable.contains("call.intent"), "refused for what may never have been");
                self.refused.fetch_add(1, Ordering::SeqCst);
                None
            }
            Err(Rejection::Error(_)) => {
                self.ended.fetch_add(1, Ordering::SeqCst);
                None
            }
            Err(Rejection::Objection(other)) => panic!("{other}"),
        }
    }
}

fn writer(disk: &ModelDisk, dir: &Path) -> Writer {
    let mut state = State::default();
    let mut synced = Synced::empty(dir, Keychain::of(key().verifying_key()));
    for body in [config("p"), lease(who(), max_calls(1_000)), operators(&[("ana", "ana", Role::Admin)])] {
        let (seq, v) = (state.size(), FORMAT);
        let entry = Entry { v, seq, time: at(0), gate: ORIGIN.into(), trace_id: None, body };
        synced.push(&entry.clone().sign(&key()).unwrap(), 0);
        state.apply(&entry);
    }
    let sizes = segment::Sizes { roll_bytes: 1 << 30, chunk_bytes: 1 << 20 };
    let tail = Tail::create(Arc::new(disk.clone()), dir, state.size(), sizes).unwrap();
    let payloads =
        PayloadStore::open(Arc::new(disk.clone()), dir, &[9; 32], payload::Sizes::default()).unwrap();
    Writer {
        tail,
        state,
        view: Arc::new(View::new(synced, 0)),
        payloads: Arc::new(payloads),
        clock: TestClock::new(),
        signers: Arc::new(Signers::new(key())),
        origin: ORIGIN.into(),
    }
}

type Caller = fn(&Model);

/// Runs the callers against one writer under many schedules; `end` sees what became of it.
fn check(syncs: Option<u64>, callers: &'static [Caller], end: fn(&Model, Option<&str>)) {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let model = move || run(dir.path(), syncs, callers, end);
    let mut config = shuttle::Config::default();
    config.stack_size = STACK_BYTES;
    let random = shuttle::scheduler::RandomScheduler::new_from_seed(SEED, SCHEDULES);
    shuttle::Runner::new(random, config.clone()).run(model.clone());
    let adverse = shuttle::scheduler::PctScheduler::new_from_seed(SEED, 3, SCHEDULES);
    shuttle::Runner::new(adverse, config).run(model);
}

fn run(dir: &Path, syncs: Option<u64>, callers: &'static [Caller], end: fn(&Model, Option<&str>)) {
    let disk = ModelDisk::default();
    disk.0.lock().unwrap().syncs_left = syncs;
    let mut writer = writer(&disk, dir);
    let (queue, waiting) = Queue::new();
    let model = Arc::new(Model {
        queue,
        disk,
        view: Arc::clone(&writer.view),
        answered: Mutex::default(),
        told: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        ended: AtomicU64::new(0),
    });
    let serving = thread::spawn({
        let model = Arc::clone(&model);
        move || {
            let ended = serve(&mut writer, &Scheduled(waiting), |verdicts| {
                for committed in verdicts.iter().flatten() {
                    model.told.fetch_max(committed.seq + 1, Ordering::SeqCst);
                }
            });
            match ended {
                End::Closed(close) => {
                    let _gone = close.answer.send(Ok(()));
                    None
                }
                End::Failed(error) => Some(error.to_string()),
                End::Alone => panic!("the queue is still there"),
            }
        }
    });
    let calling: Vec<_> = callers
        .iter()
        .map(|caller| {
            let model = Arc::clone(&model);
            thread::spawn(move || caller(&model))
        })
        .collect();
    calling.into_iter().for_each(|caller| caller.join().unwrap());
    // Whoever is last closes; after a failure there is nobody to.
    let closing = thread::spawn({
        let model = Arc::clone(&model);
        move || {
            let _closed = block_on(model.queue.close("the end"));
        }
    });
    let failed = serving.join().unwrap();
    closing.join().unwrap();
    end(&model, failed.as_deref());
    assert_log(&model);
}

/// What is durable is a log without gaps, signed throughout, and holds each answer where it was said to be.
fn assert_log(model: &Model) {
    let durable = model.disk.0.lock().unwrap().durable.clone();
    let lines: Vec<&[u8]> = durable.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut keys = Keychain::of(key().verifying_key());
    for (n, line) in lines.iter().enumerate() {
        let entry = Entry::open(line, keys.last()).expect("an entry that the key in force signs").entry;
        assert_eq!(entry.seq, n as u64 + BEGINS);
        keys.follow(&entry).unwrap();
    }
    for (seq, line) in model.answered.lock().unwrap().iter() {
        assert_eq!(lines.get((*seq - BEGINS) as usize), Some(&line.as_slice()), "{seq}");
    }
}

/// An intent of its own and its outcome: the second stands behind the first.
const CALL: Caller = |model| {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let intent = intent(grant(n), read_call(n));
    let Some(seq) = model.commit(Body::CallIntent(intent.clone())) else { return };
    if let Some(done) = model.commit(Body::CallOutcome(outcome(seq, &intent))) {
        assert!(done > seq);
    }
};
/// One grant for all who do this.
const SAME_GRANT: Caller = |model| {
    model.commit(Body::CallIntent(intent(grant(1), read_call(1))));
};
const ROTATE: Caller = |model| {
    let signed = Signed { operator: "ana".into(), jkt: "ana".into(), body: "{}".into(), proof: "p".into() };
    let new = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
    model.hear(block_on(model.queue.rotate(new, signed)));
};
const CLOSE: Caller = |model| {
    let _closed = block_on(model.queue.close("in the middle"));
};
/// Gone before the answer: the entry stands all the same, or was never written.
const HANG_UP: Caller = |model| {
    let body = Body::CallIntent(intent(grant(500), read_call(500)));
    let mut asked = Box::pin(model.queue.commit(commit(body)));
    let _unheard = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
};

#[test]
fn everybody_is_answered_once_in_order_for_what_is_durable() {
    check(None, &[CALL, CALL, CALL, HANG_UP], |model, failed| {
        assert_eq!(failed, None);
        assert_eq!(model.answered.lock().unwrap().len(), 6);
    });
}

#[test]
fn of_those_who_use_one_grant_one_is_accepted_and_the_others_hear_it_when_that_is_durable() {
    check(None, &[SAME_GRANT, SAME_GRANT, SAME_GRANT, CALL], |model, _| {
        assert_eq!(model.answered.lock().unwrap().len(), 3);
        assert_eq!(model.refused.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_change_of_keys_among_commits_divides_them() {
    check(None, &[CALL, ROTATE, CALL], |model, failed| {
        assert_eq!(failed, None);
        assert_eq!(model.answered.lock().unwrap().len(), 5);
    });
}

#[test]
fn a_close_in_the_middle_answers_everybody() {
    check(None, &[CALL, CALL, CLOSE], |model, failed| {
        assert_eq!(failed, None);
        let (answered, ended) = (model.answered.lock().unwrap().len(), model.ended.load(Ordering::SeqCst));
        assert!(answered + ended as usize <= 4, "{answered} {ended}");
    });
}

#[test]
fn behind_a_failed_sync_nobody_is_promised_anything() {
    for syncs in 0..3 {
        check(Some(syncs), &[CALL, CALL, SAME_GRANT], |model, failed| {
            if let Some(error) = failed {
                assert_eq!(error, "the disk is gone");
                assert!(model.ended.load(Ordering::SeqCst) > 0, "somebody waited for that sync");
            }
        });
    }
}
