//! The gate's actions as they are now, and the news that they changed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use latchgate_client::{ClientError, Tagged};
use latchgate_wire::api::{ActionInfo, ActionList};
use serde_json::Value;
use tokio::sync::watch;

use super::args::ToolSet;
use super::link::Link;

/// How long one request waits for a change. The gate takes up to a minute.
const WATCH: Duration = Duration::from_secs(55);
/// How long a client waits for a list that is known already, perhaps.
const PROMPT: Duration = Duration::from_secs(5);
/// Between looks at the least, whatever the gate says.
const BETWEEN: Duration = Duration::from_millis(100);
/// Between looks for a gate that is not there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What is known of the gate's actions. Kept while the gate is away: a tool does not vanish because of a restart.
pub struct Catalogue {
    link: Arc<Link>,
    shows: ToolSet,
    known: Mutex<Known>,
    /// Counts changes.
    changed: watch::Sender<u64>,
}

#[derive(Clone, Default)]
struct Known {
    tag: Option<String>,
    actions: Arc<[Arc<ActionInfo>]>,
    /// Somebody was told something that another state differs from.
    was_told: bool,
}

impl Known {
    fn named(&self, id: &str) -> Option<Arc<ActionInfo>> {
        self.actions.iter().find(|action| action.action_id == id).cloned()
    }
}

impl Catalogue {
    /// Begins to follow the gate. Ends with the runtime.
    pub fn following(link: Arc<Link>, shows: ToolSet) -> Arc<Self> {
        let catalogue =
            Arc::new(Self { link, shows, known: Mutex::default(), changed: watch::Sender::new(0) });
        tokio::spawn({
            let catalogue = Arc::clone(&catalogue);
            async move { catalogue.follow().await }
        });
        catalogue
    }

    /// The actions as they are now; as they were last, where the gate cannot be asked.
    pub async fn current(&self) -> Arc<[Arc<ActionInfo>]> {
        match tokio::time::timeout(PROMPT, self.look(None)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "the gate's actions cannot be asked for"),
            Err(_) => tracing::info!("the gate does not say its actions"),
        }
        let mut known = self.lock();
        known.was_told |= known.tag.is_none();
        Arc::clone(&known.actions)
    }

    /// The action of that name, if there is one. Asked for only where none is known.
    ///
    /// # Errors
    /// If none is known and the gate cannot be asked.
    pub async fn action(&self, id: &str) -> Result<Option<Arc<ActionInfo>>, ClientError> {
        if let Some(action) = self.known().named(id) {
            return Ok(Some(action));
        }
        self.look(None).await?;
        Ok(self.known().named(id))
    }

    /// Moves whenever the actions have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn follow(&self) {
        loop {
            let looked = Instant::now();
            match self.look(Some(WATCH)).await {
                // A gate whose list changes all the time is not followed faster than anybody could read.
                Ok(()) => tokio::time::sleep_until((looked + BETWEEN).into()).await,
                Err(error) => {
                    tracing::debug!(%error, "no gate to follow");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn look(&self, wait: Option<Duration>) -> Result<(), ClientError> {
        let tag = self.known().tag;
        // The first look waits for nothing.
        let wait = wait.filter(|_| tag.is_some());
        let found = match self.shows {
            ToolSet::All => self.link.public()?.actions_unless(tag.as_deref(), wait).await?,
            ToolSet::Profile | ToolSet::Meta => {
                self.link.agent().await?.actions_unless(tag.as_deref(), wait).await?
            }
        };
        if let Some(found) = found {
            self.learn(found);
        } else if wait.is_some() {
            // A gate that drains answers at once: not asked again without a pause.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn learn(&self, found: Tagged<ActionList>) {
        let mut known = self.lock();
        if known.tag.as_deref() == Some(&found.tag) {
            return;
        }
        let is_news = known.was_told;
        *known = Known { tag: Some(found.tag), actions: usable(found.value.actions), was_told: true };
        drop(known);
        if is_news {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that a tool can be made of, each name once. A gate has no others.
fn usable(found: Vec<ActionInfo>) -> Arc<[Arc<ActionInfo>]> {
    let mut names = HashSet::new();
    let is_name = |id: &str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    let usable = found.into_iter().filter(|action| {
        let is_usable = is_name(&action.action_id)
            && is_schema(&action.request_schema)
            && is_schema(&action.response_schema)
            && names.insert(action.action_id.clone());
        if !is_usable {
            tracing::warn!(action = ?action.action_id, "the gate offers what cannot be a tool");
        }
        is_usable
    });
    usable.map(Arc::new).collect()
}

fn is_schema(schema: &Value) -> bool {
    schema.is_object() || schema.is_boolean()
}
