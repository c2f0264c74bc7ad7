//! What was reached, on its way to the ledger: equal attempts in a row are one with a count.

use latchgate_wire::jail::{CONNECTIONS_MAX, Connection};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Where connections are noted. When nobody takes the notes any more, nothing is connected any more.
#[derive(Clone, Debug)]
pub struct Recorder(Sender<Connection>);

/// The other end of a [`Recorder`].
#[derive(Debug)]
pub struct Records(Receiver<Connection>);

const WAITING_MAX: usize = 1024;
const TEXT_BYTES_MAX: usize = 255;

/// A recorder, and where its notes come out.
pub fn records() -> (Recorder, Records) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Recorder(sender), Records(receiver))
}

impl Recorder {
    /// False if it cannot be put on record: then it must not happen. Waits while the gate is behind.
    pub(super) async fn note(&self, host: &str, port: u16, refused: Option<String>) -> bool {
        let refused = refused.map(|reason| cut(&reason));
        self.0.send(Connection { host: cut(host), port, refused, count: 1 }).await.is_ok()
    }
}

impl Records {
    /// The next batch, at least one and at most what an entry holds; `None` when every recorder is gone.
    pub async fn next(&mut self) -> Option<Vec<Connection>> {
        let mut batch: Vec<Connection> = vec![self.0.recv().await?];
        while batch.len() < CONNECTIONS_MAX {
            let Ok(next) = self.0.try_recv() else { break };
            match batch.last_mut().filter(|last| is_same(last, &next)) {
                Some(last) => last.count += 1,
                None => batch.push(next),
            }
        }
        Some(batch)
    }
}

fn is_same(one: &Connection, other: &Connection) -> bool {
    (&one.host, one.port, &one.refused) == (&other.host, other.port, &other.refused)
}

/// To what an entry takes, without what no terminal should be shown.
fn cut(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn equal_attempts_in_a_row_are_counted() {
        let (recorder, mut records) = records();
        for host in ["a.test", "a.test", "b.test", "a.test"] {
            assert!(recorder.note(host, 443, None).await);
        }
        let batch = records.next().await.unwrap();
        let counted: Vec<_> = batch.iter().map(|made| (made.host.as_str(), made.count)).collect();
        assert_eq!(counted, [("a.test", 2), ("b.test", 1), ("a.test", 1)]);
        drop(recorder);
        assert!(records.next().await.is_none());
    }

    #[tokio::test]
    async fn without_anybody_to_take_notes_nothing_may_happen() {
        let (recorder, records) = records();
        drop(records);
        assert!(!recorder.note("a.test", 443, None).await);
    }
}
