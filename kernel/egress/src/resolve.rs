//! From a name to the addresses a connection may use: asked once, all of them checked, then fixed.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::addr::{Development, admissible};
use crate::error::{Refused, SendError};
use crate::origin::Origin;

/// What a [`Resolve`] gives back: every address known for the name, in the order of preference.
pub type Answer<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Port to the name service. It is asked only for names, never for address literals or `localhost`.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, a lower-case ASCII name without a trailing dot.
    ///
    /// # Errors
    /// Whatever kept the name from being resolved; it is told to the caller as text.
    fn addresses<'a>(&'a self, host: &'a str) -> Answer<'a>;
}

/// The operating system's resolver, so that `/etc/hosts` and the machine's DNS settings hold.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    slots: Arc<Semaphore>,
}

/// Look-ups under way at once. `getaddrinfo` cannot be interrupted and sits on a thread that file access needs too.
const LOOKUPS_MAX: usize = 32;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn addresses<'a>(&'a self, host: &'a str) -> Answer<'a> {
        let slots = Arc::clone(&self.slots);
        Box::pin(async move {
            let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            // A task of its own, so that the slot stays taken while the thread is, even if the caller gives up.
            let lookup = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host.as_str(), 0))
                    .await
                    .map(|all| all.map(|a| a.ip()).collect());
                drop(slot);
                found
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// Addresses that passed the guard, or are the proxy's. A connection is opened to one of these and to nothing else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pinned(Vec<SocketAddr>);

impl Pinned {
    /// Asks once and checks every address; one that is refused refuses the name.
    ///
    /// # Errors
    /// `Refused` by the guard, `Unreachable` if the name has no address.
    pub(crate) async fn resolve(
        origin: &Origin,
        resolver: &dyn Resolve,
        dev: &Development,
    ) -> Result<Self, SendError> {
        let pinned = Self::unguarded(origin, resolver).await?;
        for address in &pinned.0 {
            // Fail closed: a second, inner address beside a public one is how rebinding begins.
            admissible(address.ip(), dev)
                .map_err(|reason| Refused::Address { host: origin.host(), reason })?;
        }
        Ok(pinned)
    }

    /// Asks once and checks nothing: for the proxy, which the operator named.
    ///
    /// # Errors
    /// `Unreachable` if the name has no address.
    pub(crate) async fn unguarded(origin: &Origin, resolver: &dyn Resolve) -> Result<Self, SendError> {
        let host = origin.host();
        let found = match origin.literal() {
            Some(ip) => vec![ip],
            // RFC 6761 section 6.3: never ask DNS, whose answer could point elsewhere.
            None if origin.is_loopback() => LOOPBACK.to_vec(),
            None => resolver
                .addresses(&host)
                .await
                .map_err(|e| SendError::Unreachable(format!("{host} cannot be resolved: {e}")))?,
        };
        if found.is_empty() {
            return Err(SendError::Unreachable(format!("{host} has no address")));
        }
        Ok(Self(found.into_iter().map(|ip| SocketAddr::new(ip, origin.port())).collect()))
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Effect;
    use crate::origin::Target;

    struct Fixed(&'static [&'static str], AtomicUsize);

    impl Fixed {
        fn new(addresses: &'static [&'static str]) -> Self {
            Self(addresses, AtomicUsize::new(0))
        }
    }

    impl Resolve for Fixed {
        fn addresses<'a>(&'a self, _: &'a str) -> Answer<'a> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(self.0.iter().map(|text| text.parse().unwrap()).collect()) })
        }
    }

    async fn pin(url: &str, resolver: &Fixed, dev: bool) -> Result<Pinned, SendError> {
        let dev = Development { dangerous_loopback: dev, ..Development::default() };
        Pinned::resolve(Target::parse(url, &dev).unwrap().origin(), resolver, &dev).await
    }

    #[tokio::test]
    async fn public_answers_are_pinned_with_the_port() {
        let pinned =
            pin("https://api.test:8443/", &Fixed::new(&["1.1.1.1", "2606:4700::1"]), false).await.unwrap();
        assert_eq!(
            pinned.addresses(),
            ["1.1.1.1:8443".parse().unwrap(), "[2606:4700::1]:8443".parse().unwrap()]
        );
    }

    #[tokio::test]
    async fn one_refused_address_refuses_the_name() {
        for answer in
            [&["1.1.1.1", "10.0.0.1"], &["169.254.169.254", "1.1.1.1"], &["1.1.1.1", "::ffff:127.0.0.1"]]
        {
            let refused = pin("https://api.test/", &Fixed::new(answer), false).await.unwrap_err();
            assert!(matches!(refused, SendError::Refused(Refused::Address { .. })), "{refused}");
            assert_eq!(refused.effect(), Effect::None);
        }
    }

    #[tokio::test]
    async fn development_admits_a_loopback_answer_and_no_private_one() {
        assert!(pin("https://api.test/", &Fixed::new(&["127.0.0.1"]), true).await.is_ok());
        assert!(pin("https://api.test/", &Fixed::new(&["127.0.0.1"]), false).await.is_err());
        assert!(pin("https://api.test/", &Fixed::new(&["127.0.0.1", "192.168.0.1"]), true).await.is_err());
    }

    #[tokio::test]
    async fn literals_and_localhost_never_reach_the_resolver() {
        let lying = Fixed::new(&["8.8.8.8"]);
        for (url, expected) in [("http://localhost:1/", "127.0.0.1:1"), ("https://1.1.1.1:1/", "1.1.1.1:1")] {
            let pinned = pin(url, &lying, true).await.unwrap();
            assert_eq!(pinned.addresses()[0], expected.parse().unwrap());
        }
        assert_eq!(lying.1.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_unreachable() {
        let error = pin("https://api.test/", &Fixed::new(&[]), false).await.unwrap_err();
        assert_eq!(error.to_string(), "api.test has no address");
        assert_eq!(error.effect(), Effect::None);
    }
}
