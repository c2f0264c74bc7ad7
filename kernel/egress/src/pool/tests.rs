//! Keeping, finding and forgetting connections, with virtual time.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::*;
use crate::addr::Development;
use crate::origin::Target;

fn key(partition: &str, url: &str) -> PoolKey {
    let origin = Target::parse(url, &Development::default()).unwrap().origin().clone();
    PoolKey { partition: partition.to_owned(), origin, names: Vec::new() }
}

fn alice() -> PoolKey {
    key("alice", "https://api.test/")
}

async fn connection() -> (Connection, DuplexStream) {
    let (ours, theirs) = duplex(64);
    let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    (Connection::start(ours, remote, &Limits::default()).await.unwrap(), theirs)
}

fn pool() -> Arc<Pool> {
    Pool::new(Limits { idle_per_key_max: 2, idle_total_max: 3, ..Limits::default() })
}

#[tokio::test]
async fn a_connection_is_found_by_its_key_alone() {
    let pool = pool();
    let (held, _peer) = connection().await;
    pool.put(alice(), held);
    let others = [
        key("bob", "https://api.test/"),
        key("alice", "https://api.test:444/"),
        key("alice", "https://other.test/"),
    ];
    for other in others {
        assert!(pool.take(&other).await.is_none(), "{other:?}");
    }
    assert!(pool.take(&alice()).await.is_some());
    assert!(pool.take(&alice()).await.is_none());
}

#[tokio::test]
async fn a_closed_connection_is_not_given_out() {
    let pool = pool();
    let (held, peer) = connection().await;
    pool.put(alice(), held);
    drop(peer);
    tokio::task::yield_now().await;
    assert!(pool.take(&alice()).await.is_none());
}

#[tokio::test]
async fn both_limits_close_what_is_over_them() {
    let pool = pool();
    let mut peers = Vec::new();
    for partition in ["a", "a", "a", "b", "b"] {
        let (held, peer) = connection().await;
        pool.put(key(partition, "https://api.test/"), held);
        peers.push(peer);
    }
    let idle = pool.lock();
    let counts = |p: &str| idle.by_key.get(&key(p, "https://api.test/")).map_or(0, Vec::len);
    assert_eq!((counts("a"), counts("b"), idle.total), (2, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_time_without_traffic() {
    let pool = pool();
    let (held, mut peer) = connection().await;
    pool.put(alice(), held);
    let end = timeout(2 * Limits::default().idle_timeout, async { peer.read(&mut [0]).await.unwrap() });
    assert_eq!(end.await, Ok(0));
    assert!(!pool.lock().is_swept);
}

#[tokio::test(start_paused = true)]
async fn a_connection_past_its_time_is_not_given_out() {
    let pool = pool();
    let (held, _peer) = connection().await;
    pool.put(alice(), held);
    let timeout = Limits::default().idle_timeout;
    assert!(pool.pop(&alice()).is_some_and(|c| !c.sender.is_closed()));
    let (held, _peer) = connection().await;
    pool.put(alice(), held);
    tokio::time::advance(timeout).await;
    assert!(pool.pop(&alice()).is_none());
}
