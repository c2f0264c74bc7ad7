//! The handle that the rest of the gate holds: commits, and every question about what is synced.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::{
    Approval, ApprovalStatus, CallIdentity, Clock, Commit, CommitError, Committed, Finished, Log, Prior,
    Refusal, StandingApproval,
};
use latchgate_monitor::proofs::UsedProof;
use latchgate_wire::api::{AuditPage, AuditQuery};
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, ConfigChanged, OperatorKey, Signed};
use latchgate_wire::ids::{ApprovalId, ReceiptId, TraceId};
use latchgate_wire::keychain::Keychain;
use latchgate_wire::notify::ReceiversChanged;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Cost, PayloadAt, Who, Window};
use latchgate_wire::secret::{SecretName, SecretNote};
use latchgate_wire::stats::{AuditStats, StatsQuery};
use latchgate_wire::tile::Tile;
use latchgate_wire::time::Timestamp;
use tokio::sync::watch;

use crate::checkpoint::{Asker, SignedCheckpoint};
use crate::payload::PayloadStore;
use crate::prover::{self, Consistency, Inclusion};
use crate::query::Queries;
use crate::queue::Queue;
use crate::state::{Objection, Receiver, Standing};
use crate::tiles::Tiles;
use crate::view::{ReadError, View};
use crate::writer::Rejection;
use crate::{durable, history, open};

/// An open ledger. Clones are handles to the same one.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) queue: Queue,
    pub(crate) view: Arc<View>,
    pub(crate) queries: Queries,
    pub(crate) payloads: Arc<PayloadStore>,
    pub(crate) checkpoints: Asker,
    pub(crate) tiles: Arc<Tiles>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recent_proofs: Arc<[UsedProof]>,
    pub(crate) dir: PathBuf,
    /// Ends after the queue is gone.
    pub(crate) thread: Arc<JoinHandle<()>>,
}

/// Which approvals to list; every member narrows.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    pub principal: Option<Principal>,
    pub status: Option<ApprovalStatus>,
}

/// Numbers about the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub entries: u64,
    pub last_entry_at: Option<Timestamp>,
    pub calls_running: usize,
    pub approvals_pending: usize,
    pub unknown_outcomes: usize,
    /// Entries are written in batches; each costs one sync of the log.
    pub batches: u64,
    pub syncs: u64,
    pub payload_syncs: u64,
    pub bytes_written: u64,
    pub checkpoint_size: u64,
}

impl Log for Ledger {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        match self.queue.commit(commit).await {
            Ok(committed) => Ok(committed),
            Err(Rejection::Error(error)) => Err(error),
            Err(Rejection::Objection(Objection::Refused(refusal))) => Err(refusal.into()),
            Err(Rejection::Objection(Objection::Invalid(why))) => Err(CommitError::Invalid(why.into())),
            Err(Rejection::Objection(Objection::Joined(standing))) => {
                let prior =
                    self.prior_at(standing).map_err(|error| CommitError::Closed(error.to_string()))?;
                Err(Refusal::Joined(Box::new(prior)).into())
            }
        }
    }

    fn is_revoked(&self, who: &Who) -> bool {
        self.view.read().state.is_revoked(who)
    }

    fn prior(&self, identity: &CallIdentity) -> Option<Prior> {
        let standing = self.view.read().state.prior(identity, self.clock.now())?;
        self.or_log(self.prior_at(standing))
    }

    fn calls_left(&self, who: &Who) -> Option<u64> {
        self.view.read().state.calls_left(&who.session_id)
    }

    fn standings(&self, who: &Who, action_id: &str) -> Vec<StandingApproval> {
        self.view.read().state.standings_for(who, action_id, self.clock.now())
    }

    fn approval(&self, id: ApprovalId) -> Option<Approval> {
        let approval = self.view.read().state.approval(id).cloned()?;
        Some(self.with_outcome(approval))
    }
}

impl Ledger {
    /// What of a window this caller's budgets count, settled and reserved.
    pub fn used(&self, who: &Who, window: Window) -> Cost {
        self.view.read().state.used(who, window, self.clock.now())
    }

    /// Every principal of the last day with what it used up within a window.
    pub fn spent(&self, window: Window) -> BTreeMap<String, Cost> {
        self.view.read().state.spent(window, self.clock.now())
    }

    /// Standing approvals in force, in the order of their approvals.
    pub fn all_standings(&self) -> Vec<StandingApproval> {
        self.view.read().state.standings(self.clock.now())
    }

    /// The operators by the log, by name.
    pub fn operators(&self) -> BTreeMap<String, OperatorKey> {
        self.view.read().state.operators().clone()
    }

    /// The enrolled agents by the log: thumbprint of the key, by name.
    pub fn agents(&self) -> BTreeMap<String, String> {
        self.view.read().state.agents().clone()
    }

    /// Which secrets the store holds, by the log.
    pub fn secrets(&self) -> BTreeMap<SecretName, SecretNote> {
        self.view.read().state.secrets().clone()
    }

    /// Calls under way whose lease is revoked: their guests are to be stopped.
    pub fn open_revoked(&self) -> Vec<TraceId> {
        let synced = self.view.read();
        let open =
            synced.state.open_calls().filter(|(_, open)| synced.state.is_revoked(&open.intent.call.who));
        open.filter_map(|(_, open)| open.trace_id).collect()
    }

    /// Where outcomes lie that may have happened and that nobody has resolved.
    pub fn unknown(&self) -> Vec<u64> {
        self.view.read().state.unknown()
    }

    /// Who is told of what, as the log says.
    pub fn receivers(&self) -> ReceiversChanged {
        self.view.read().state.receivers()
    }

    /// How far a receiver was told, and its dead letters.
    pub fn receiver(&self, name: &str) -> Option<Receiver> {
        self.view.read().state.receiver(name).cloned()
    }

    /// Payloads that a later step still needs: of calls that run, wait for a decision or for somebody to look.
    pub fn payloads_in_use(&self) -> Vec<PayloadAt> {
        let synced = self.view.read();
        let open = synced.state.open_calls().map(|(_, open)| open.intent.call.payload);
        let waiting = synced
            .state
            .approvals()
            .filter(|approval| matches!(approval.status, ApprovalStatus::Pending | ApprovalStatus::Approved));
        open.chain(waiting.map(|approval| approval.held.call.payload)).collect()
    }

    /// Arguments, plans and results.
    pub fn payloads(&self) -> Arc<PayloadStore> {
        Arc::clone(&self.payloads)
    }

    /// The number of synced entries, as it grows.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.view.changed()
    }

    /// What came of an intent; `None` while it runs, or if there is no such intent.
    pub fn outcome_of(&self, intent_seq: u64) -> Option<Arc<Finished>> {
        let (is_open, seq) = {
            let synced = self.view.read();
            (synced.state.is_open(intent_seq), synced.state.outcome_seq(intent_seq))
        };
        match (is_open, seq) {
            (true, _) => None,
            (false, Some(seq)) => self.or_log(self.view.finished(seq)),
            (false, None) => self.or_log(self.outcome_in_log(intent_seq)).flatten(),
        }
    }

    pub fn receipt(&self, id: ReceiptId) -> Option<Arc<Finished>> {
        self.or_log(self.outcome_with(format!("id:{id}"))).flatten()
    }

    /// Approvals of the last day, the newest first.
    pub fn approvals(&self, filter: &ApprovalFilter) -> Vec<Approval> {
        let is_wanted = |approval: &&Approval| {
            filter.status.is_none_or(|status| approval.status == status)
                && filter
                    .principal
                    .as_ref()
                    .is_none_or(|principal| approval.held.call.who.principal == *principal)
        };
        let mut approvals: Vec<_> = self.view.read().state.approvals().filter(is_wanted).cloned().collect();
        approvals.sort_by_key(|approval| std::cmp::Reverse(approval.held_seq));
        approvals.into_iter().map(|approval| self.with_outcome(approval)).collect()
    }

    /// The line of an entry, without line break.
    pub fn entry(&self, seq: u64) -> Result<Option<Vec<u8>>, ReadError> {
        self.view.line(seq)
    }

    /// Up to `limit` lines from `from` on, oldest first.
    pub fn entries(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut lines = Vec::new();
        while lines.len() < limit {
            let seq = from.saturating_add(lines.len() as u64);
            let Some(block) = self.view.read().places.block(seq) else { break };
            let skip = usize::try_from(seq - block.first_seq).unwrap_or(usize::MAX);
            lines.extend(block.read()?.into_iter().skip(skip).take(limit - lines.len()));
        }
        Ok(lines)
    }

    /// A page of entries. Reads files: to be called where blocking is allowed.
    pub fn query(&self, query: &AuditQuery) -> Result<AuditPage, ReadError> {
        self.queries.page(query)
    }

    /// What was decided about calls, counted. Reads the index, and the log where that is behind: to be called where blocking
    /// is allowed.
    pub fn audit_stats(&self, query: &StatsQuery) -> Result<AuditStats, ReadError> {
        self.queries.stats(query)
    }

    /// The proofs of the log's last 65 seconds, as found when it was opened.
    pub fn recent_proofs(&self) -> &[UsedProof] {
        &self.recent_proofs
    }

    /// Policy and manifests in force by the log.
    pub fn config(&self) -> Option<ConfigChanged> {
        self.view.read().state.config().cloned()
    }

    /// Whether the writer takes commits: not after a close or a fatal failure.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    pub fn stats(&self) -> Stats {
        let synced = self.view.read();
        let counters = &self.view.counters;
        Stats {
            entries: synced.places.size(),
            last_entry_at: synced.state.last_time(),
            calls_running: synced.state.open_len(),
            approvals_pending: synced.state.approvals_pending(self.clock.now()),
            unknown_outcomes: synced.state.unknown_len(),
            batches: counters.batches.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            payload_syncs: counters.payload_syncs.load(Ordering::Relaxed),
            bytes_written: counters.bytes_written.load(Ordering::Relaxed),
            checkpoint_size: counters.checkpoint_size.load(Ordering::Acquire),
        }
    }

    /// Keeps what a `config.changed` will name, policy or manifest, under `policy/<hex digest>`; durable when this returns.
    pub fn keep_policy(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.dir.join("policy").join(digest.to_string().replace("sha256:", ""));
        if durable::read_if_present(&path)?.as_deref() != Some(bytes) {
            durable::replace(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Which key signs from which entry on.
    pub fn keychain(&self) -> Keychain {
        self.view.read().keys.clone()
    }

    /// Hands the log over to another key, which signs from the next entry on; the entry that says so. The key must be durable
    /// before, as [`OpenConfig::next_key`](crate::OpenConfig::next_key).
    pub async fn rotate(&self, key: SigningKey, signed: Signed) -> Result<Committed, CommitError> {
        let new = key.verifying_key();
        let committed = match self.queue.rotate(key, signed).await {
            Ok(committed) => committed,
            Err(Rejection::Error(error)) => return Err(error),
            Err(Rejection::Objection(Objection::Refused(refusal))) => return Err(refusal.into()),
            Err(Rejection::Objection(other)) => return Err(CommitError::Invalid(other.to_string())),
        };
        if let Err(error) = open::write_public_key(&self.dir, &new, committed.seq + 1) {
            // For people only; the next start writes it.
            tracing::error!(%error, "cannot write the new public key beside the log");
        }
        Ok(committed)
    }

    /// Signs and writes a checkpoint of everything synced before the call.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, CommitError> {
        self.checkpoints.now().await.map_err(CommitError::Closed)
    }

    /// That an entry is in the log as it was signed over, which it must be. Reads files.
    pub fn inclusion(&self, seq: u64, at: &Checkpoint) -> Result<Inclusion, ReadError> {
        prover::inclusion(&self.view, &self.tiles, seq, at)
    }

    /// That the log of size `new` begins with that of size `old`; `0 < old <= new`, within the checkpoint. Reads files.
    pub fn consistency(&self, old: u64, new: u64, at: &Checkpoint) -> Result<Consistency, ReadError> {
        prover::consistency(&self.tiles, old, new, at)
    }

    /// Whole lines of the history of checkpoints from a byte on; none at its end. Reads files.
    pub fn checkpoints(&self, from: u64, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
        Ok(history::page(&self.dir, from, bytes_max)?)
    }

    /// The bytes of a tile that the log has. Reads files.
    pub fn tile(&self, tile: Tile) -> Result<Vec<u8>, ReadError> {
        self.tiles.hashes(tile).map(|hashes| hashes.concat())
    }

    /// Ends the ledger in order: `gate.stopped`, a checkpoint, space given back, lock released.
    pub async fn close(&self, reason: &str) -> Result<(), CommitError> {
        self.queue.close(reason).await
    }

    fn prior_at(&self, standing: Standing) -> Result<Prior, ReadError> {
        Ok(match standing {
            Standing::Mismatch => Prior::Mismatch,
            Standing::Held { approval_id, request_hash, expires_at } => {
                Prior::Held { approval_id, request_hash, expires_at }
            }
            Standing::Running { intent_seq } => Prior::Running { intent_seq },
            Standing::Finished { seq } => Prior::Finished(self.view.finished(seq)?),
            Standing::Unknown { seq } => Prior::Unknown(self.view.finished(seq)?),
        })
    }

    fn with_outcome(&self, approval: Approval) -> Approval {
        let finished = approval.intent_seq.and_then(|seq| self.outcome_of(seq));
        Approval { finished, ..approval }
    }

    fn outcome_in_log(&self, intent_seq: u64) -> Result<Option<Arc<Finished>>, ReadError> {
        match self.view.entry(intent_seq)?.map(|entry| entry.body) {
            Some(Body::CallIntent(intent)) => self.outcome_with(format!("id:{}", intent.grant_id)),
            Some(_) | None => Ok(None),
        }
    }

    fn outcome_with(&self, id: String) -> Result<Option<Arc<Finished>>, ReadError> {
        let entry = self.queries.last_with(&[id, "kind:call.outcome".to_owned()])?;
        Ok(entry.and_then(|entry| match entry.body {
            Body::CallOutcome(receipt) => Some(self.view.finished_as(entry.seq, entry.trace_id, receipt)),
            _ => None,
        }))
    }

    /// The port knows no error here: what cannot be read is as good as absent, and `commit` decides again.
    fn or_log<T>(&self, result: Result<T, ReadError>) -> Option<T> {
        result.inspect_err(|error| tracing::error!(%error, "an entry of the ledger cannot be read")).ok()
    }
}
