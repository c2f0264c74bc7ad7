//! What is counted, for whoever watches a gate from afar (OpenMetrics text).
//!
//! Invariant: every label's values are a closed set: names of our own, and ids of actions that are or were loaded. What a caller
//! sends is no label, so that no traffic makes a series.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchgate_ledger::Stats;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{Receipt, ResultKind};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

type Labels<const N: usize> = [(&'static str, String); N];

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Executed, whatever came of it.
    Executed,
    Held,
    /// An identical call's answer was this call's answer.
    Joined,
    Denied,
}

impl Decision {
    const ALL: [Self; 4] = [Self::Executed, Self::Held, Self::Joined, Self::Denied];

    fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Held => "held",
            Self::Joined => "joined",
            Self::Denied => "denied",
        }
    }
}

/// How a lease came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    Issued,
    Renewed,
}

impl LeaseKind {
    const ALL: [Self; 2] = [Self::Issued, Self::Renewed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Renewed => "renewed",
        }
    }
}

/// The counters of a gate. Those that the ledger keeps are read when somebody asks.
pub struct Metrics {
    registry: Registry,
    calls: Family<Labels<2>, Counter>,
    outcomes: Family<Labels<2>, Counter>,
    refusals: Family<Labels<1>, Counter>,
    duration: Family<Labels<1>, Histogram, fn() -> Histogram>,
    leases: Family<Labels<1>, Counter>,
    waiting: Gauge,
    state: State,
    /// Entries that lay in the ledger when this process began.
    entries_before: u64,
}

/// What is read from elsewhere at each scrape.
struct State {
    calls_open: Gauge,
    approvals_pending: Gauge,
    outcomes_unknown: Gauge,
    ledger_entries: Gauge,
    ledger_checkpoint: Gauge,
    ledger_commits: Counter,
    ledger_batches: Counter,
    ledger_syncs: Counter,
    payload_syncs: Counter,
    ledger_bytes: Counter,
    panics: Counter,
}

/// Where an action's name would stand, for calls of what is no action.
const NO_ACTION: &str = "none";

/// From a call of a cached file to one that an upstream keeps waiting.
const DURATION_BUCKETS_S: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Metrics {
    /// `version` and `boundary` name the gate in `latchgate_build_info`.
    pub fn new(version: &str, boundary: &str, stats: &Stats) -> Self {
        let mut registry = Registry::with_prefix("latchgate");
        let info = [("version", version.to_owned()), ("boundary", boundary.to_owned())];
        registry.register("build", "The gate and the boundary in force", Info::new(info));
        let calls: Family<Labels<2>, Counter> = Family::default();
        registry.register("calls", "Authenticated calls by action and answer", calls.clone());
        let outcomes: Family<Labels<2>, Counter> = Family::default();
        registry.register("outcomes", "Executed calls by action and what came of them", outcomes.clone());
        let refusals: Family<Labels<1>, Counter> = Family::default();
        registry.register("refusals", "Requests refused, by code", refusals.clone());
        let duration: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_S));
        registry.register("call_duration_seconds", "From judgement to record, by action", duration.clone());
        let leases: Family<Labels<1>, Counter> = Family::default();
        registry.register("leases", "Leases handed out", leases.clone());
        let waiting = Gauge::default();
        let help = "Requests that wait for a decision or a change, because their callers asked to";
        registry.register("requests_waiting", help, waiting.clone());
        let state = State::register(&mut registry);
        // Made now, so that none appears because of what somebody sends.
        for code in Code::ALL {
            drop(refusals.get_or_create(&code_label(*code)));
        }
        for decision in Decision::ALL {
            drop(calls.get_or_create(&call_labels(NO_ACTION, decision)));
        }
        for kind in LeaseKind::ALL {
            drop(leases.get_or_create(&[("kind", kind.as_str().to_owned())]));
        }
        Self {
            registry,
            calls,
            outcomes,
            refusals,
            duration,
            leases,
            waiting,
            state,
            entries_before: stats.entries,
        }
    }

    /// A call was answered. `action` is one that is loaded; `None` for a name that is none.
    pub fn answered(&self, action: Option<&str>, decision: Decision) {
        self.calls.get_or_create(&call_labels(action.unwrap_or(NO_ACTION), decision)).inc();
    }

    /// A call was executed and is on record.
    pub fn recorded(&self, receipt: &Receipt, took: Duration) {
        let action = receipt.action.id.clone();
        let outcome = match receipt.result.as_ref().map(|result| result.kind) {
            Some(ResultKind::Success) => "success",
            Some(ResultKind::ProviderFailure) => "provider_failure",
            Some(ResultKind::Timeout) => "timeout",
            None => "unknown",
        };
        self.outcomes.get_or_create(&[("action", action.clone()), ("outcome", outcome.to_owned())]).inc();
        self.duration.get_or_create(&[("action", action)]).observe(took.as_secs_f64());
    }

    pub fn refused(&self, code: Code) {
        self.refusals.get_or_create(&code_label(code)).inc();
    }

    pub fn leased(&self, kind: LeaseKind) {
        self.leases.get_or_create(&[("kind", kind.as_str().to_owned())]).inc();
    }

    /// Counts a request that waits, until this is dropped.
    pub fn waits(&self) -> Waiting<'_> {
        self.waiting.inc();
        Waiting(&self.waiting)
    }

    /// Everything, as it stands.
    ///
    /// # Errors
    /// If it cannot be written as text, which is a fault.
    pub fn text(&self, stats: &Stats, panics: u64) -> Result<String, fmt::Error> {
        self.state.read(stats, self.entries_before, panics);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A request that waits.
pub struct Waiting<'a>(&'a Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl State {
    fn register(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let (calls_open, approvals_pending, outcomes_unknown, ledger_entries, ledger_checkpoint) = (
            gauge("calls_open", "Calls that run"),
            gauge("approvals_pending", "Calls that wait for a decision"),
            gauge("outcomes_unknown", "Calls that may have happened"),
            gauge("ledger_entries", "Entries in the ledger, which is the next entry's seq"),
            gauge("ledger_checkpoint_entries", "Entries under the last checkpoint"),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            calls_open,
            approvals_pending,
            outcomes_unknown,
            ledger_entries,
            ledger_checkpoint,
            ledger_commits: counter("ledger_commits", "Entries written by this process"),
            ledger_batches: counter(
                "ledger_batches",
                "Batches they were written in: commits / batches is a batch's size",
            ),
            ledger_syncs: counter("ledger_syncs", "Times the log was made durable"),
            payload_syncs: counter("payload_syncs", "Times the payload store was made durable"),
            ledger_bytes: counter("ledger_written_bytes", "Bytes appended to the log"),
            panics: counter("panics", "Panics caught; each is a fault of the gate"),
        }
    }

    fn read(&self, stats: &Stats, entries_before: u64, panics: u64) {
        for (gauge, value) in [
            (&self.calls_open, stats.calls_running as u64),
            (&self.approvals_pending, stats.approvals_pending as u64),
            (&self.outcomes_unknown, stats.unknown_outcomes as u64),
            (&self.ledger_entries, stats.entries),
            (&self.ledger_checkpoint, stats.checkpoint_size),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (counter, value) in [
            (&self.ledger_commits, stats.entries.saturating_sub(entries_before)),
            (&self.ledger_batches, stats.batches),
            (&self.ledger_syncs, stats.syncs),
            (&self.payload_syncs, stats.payload_syncs),
            (&self.ledger_bytes, stats.bytes_written),
            (&self.panics, panics),
        ] {
            let inner: &AtomicU64 = counter.inner();
            inner.store(value, Ordering::Relaxed);
        }
    }
}

fn call_labels(action: &str, decision: Decision) -> Labels<2> {
    [("action", action.to_owned()), ("decision", decision.as_str().to_owned())]
}

fn code_label(code: Code) -> Labels<1> {
    [("code", code.as_str().to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        Stats {
            entries: 12,
            last_entry_at: None,
            calls_running: 1,
            approvals_pending: 2,
            unknown_outcomes: 0,
            batches: 3,
            syncs: 4,
            payload_syncs: 5,
            bytes_written: 6,
            checkpoint_size: 10,
        }
    }

    #[test]
    fn what_the_ledger_counts_is_read_at_each_scrape() {
        let metrics = Metrics::new("0.1.0", "service", &Stats { entries: 2, ..stats() });
        let text = metrics.text(&stats(), 7).unwrap();
        for line in [
            "latchgate_build_info{version=\"0.1.0\",boundary=\"service\"} 1",
            "latchgate_calls_open 1",
            "latchgate_ledger_entries 12",
            "latchgate_ledger_commits_total 10",
            "latchgate_ledger_batches_total 3",
            "latchgate_panics_total 7",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_refusal_makes_no_series() {
        let metrics = Metrics::new("0.1.0", "service", &stats());
        let series = |text: &str| text.lines().count();
        let before = metrics.text(&stats(), 0).unwrap();
        Code::ALL.iter().for_each(|code| metrics.refused(*code));
        Decision::ALL.iter().for_each(|decision| metrics.answered(None, *decision));
        let after = metrics.text(&stats(), 0).unwrap();
        assert_eq!(series(&before), series(&after));
        assert!(after.contains("latchgate_refusals_total{code=\"not_found\"} 1\n"), "{after}");
        assert!(after.contains("latchgate_calls_total{action=\"none\",decision=\"denied\"} 1\n"), "{after}");
    }
}
