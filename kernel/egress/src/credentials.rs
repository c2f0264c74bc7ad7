//! Credentials of one request: admitted for its origin before connecting, fetched and put in once the connection stands.
//!
//! Invariant: a value is in a [`Message`] only behind [`Admitted`], which says that the origin is the declared host, over TLS
//! (or loopback in development), and only once a connection to that origin is there to take it. A redirect is another request,
//! which has none.

mod place;
mod sigv4;

use std::fmt;
use std::sync::Arc;

use latchgate_wire::placement::{Placement, SecretUse};
use latchgate_wire::time::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::addr::Development;
use crate::error::{Phase, Refused, SendError};
use crate::message::{Complete, Message};
use crate::origin::{Origin, Scheme};
use crate::scrub::Scrubber;
use crate::vault::{Secret, Vault};

/// What the time is: the gate's, for signatures.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Secrets that a request needs, by name and place, and where their values are.
#[derive(Clone)]
pub struct Credentials {
    /// Each is for one host; all must be the request's.
    pub uses: Vec<SecretUse>,
    /// Asked once the connection stands.
    pub vault: Arc<dyn Vault>,
    /// Asked when a request is signed.
    pub now: Now,
}

impl Credentials {
    /// Says whether these may go to `origin` at all. Nothing is fetched.
    ///
    /// # Errors
    /// [`Refused`] for another host, or plain http that is not loopback in development.
    pub(crate) fn admit(self, origin: &Origin, dev: &Development) -> Result<Admitted, Refused> {
        for used in &self.uses {
            if origin.host() != used.host {
                let (name, host, found) = (used.name.clone(), used.host.clone(), origin.host());
                return Err(Refused::ForeignHost { name, host, found });
            }
        }
        match origin.scheme() {
            Scheme::Https => Ok(Admitted(self)),
            Scheme::Http if dev.dangerous_loopback && origin.is_loopback() => Ok(Admitted(self)),
            Scheme::Http => Err(Refused::PlainHttp(origin.host())),
        }
    }

    /// Every name, sorted: requests that carry other secrets share no connection with these.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.uses.iter().flat_map(SecretUse::names).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Credentials that may go where the request goes.
pub(crate) struct Admitted(Credentials);

impl Admitted {
    /// Fetches the values and puts each into its place. Called with a connection to the origin at hand.
    ///
    /// # Errors
    /// [`SendError::Secret`] for a value that cannot be had, [`Refused`] for one that does not fit; nothing was sent.
    pub(crate) async fn put_into(
        self,
        complete: Complete,
        deadline: Instant,
    ) -> Result<(Message, Scrubber), SendError> {
        let Self(Credentials { uses, vault, now }) = self;
        let mut values = Values::default();
        for used in &uses {
            for name in used.names() {
                let fetched = timeout_at(deadline, vault.secret(name));
                let secret = fetched.await.map_err(|_| SendError::timeout(Phase::Secret))??;
                if !secret.is_for(&used.host) {
                    return Err(
                        Refused::UnboundHost { name: name.to_owned(), host: used.host.clone() }.into()
                    );
                }
                values.keep(name, secret);
            }
        }
        let mut complete = complete;
        // A signature is over everything else.
        let (signing, placed): (Vec<_>, Vec<_>) =
            uses.iter().partition(|used| matches!(used.placement, Placement::AwsSigv4 { .. }));
        for used in placed {
            place::put(used, &mut values, &mut complete)?;
        }
        for used in signing {
            sigv4::sign(used, &mut values, &mut complete, now())?;
        }
        let scrubber = Scrubber::of(values.0).map_err(|why| Refused::CredentialPlace {
            name: uses.first().map(|used| used.name.clone()).unwrap_or_default(),
            why,
        })?;
        Ok((complete.into_message(), scrubber))
    }
}

/// Values by name, with what was made of them: all that must not come back.
#[derive(Default)]
struct Values(Vec<(String, Secret)>);

impl Values {
    fn keep(&mut self, name: &str, secret: Secret) {
        if !self.0.iter().any(|(kept, _)| kept == name) {
            self.0.push((name.to_owned(), secret));
        }
    }

    /// Something made of a secret that is as good as the secret: searched for in what comes back.
    fn derive(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.push((name.to_owned(), Secret::new(bytes)));
    }

    fn of(&self, name: &str) -> Result<Secret, Refused> {
        let found = self.0.iter().find(|(kept, _)| kept == name).map(|(_, secret)| secret.clone());
        found.ok_or_else(|| does_not_fit(name, "it was not fetched"))
    }
}

fn does_not_fit(name: &str, why: impl Into<String>) -> Refused {
    Refused::CredentialPlace { name: name.to_owned(), why: why.into() }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("uses", &self.uses).finish_non_exhaustive()
    }
}
