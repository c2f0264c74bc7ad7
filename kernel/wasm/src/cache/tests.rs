//! What is taken from the cache, and what is compiled again.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchgate_egress::{Config, Egress};
use latchgate_monitor::manifest::Limits;
use latchgate_wire::digest::{Digest, HashKey};
use tempfile::TempDir;
use wasmtime::component::Component;

use super::seal::{EngineId, Seal};
use super::{ModuleCache, file_name};
use crate::tests::support::{guest, no_secrets, no_time, run, run_on};
use crate::{Host, HostConfig, Roots};

const KEY: [u8; 32] = [1; 32];

fn dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    (dir, path)
}

/// As a gate is started.
fn host(cache: &Path, key: [u8; 32]) -> Host {
    let egress = Arc::new(Egress::new(Config::default()).unwrap());
    let cache = Some(ModuleCache::open(cache, &key).unwrap());
    Host::new(HostConfig { egress, roots: Roots::none(), cache, vault: no_secrets(), now: no_time() })
        .unwrap()
}

/// Says `ok` as output or as error.
fn says(body: &str) -> Vec<u8> {
    guest("", body)
}

fn kept(cache: &Path, component: &[u8]) -> PathBuf {
    cache.join(file_name(Digest::of(component)))
}

/// Starts anew and runs; true if the kept file was taken, false if it was replaced by another.
async fn is_taken(cache: &Path, key: [u8; 32], component: &[u8]) -> bool {
    let path = kept(cache, component);
    let before = fs::symlink_metadata(&path).unwrap().ino();
    let ran = run_on(&host(cache, key), component, Limits::default(), vec![]).await;
    assert_eq!(ran.output, Ok("null".into()), "{:?}", ran.stopped);
    let after = fs::symlink_metadata(&path).unwrap();
    assert!(after.is_file() && after.mode() & 0o777 == 0o600, "{after:?}");
    after.ino() == before
}

/// A cache that holds one module, which a second start takes.
async fn filled() -> (TempDir, PathBuf, Vec<u8>) {
    let ((dir, cache), component) = (dir(), says("(call $ok)"));
    let first = run_on(&host(&cache, KEY), &component, Limits::default(), vec![]).await;
    assert_eq!(first.output, Ok("null".into()));
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    assert!(is_taken(&cache, KEY, &component).await);
    (dir, cache, component)
}

/// `spoil` makes the file unfit: it is compiled again, once.
async fn check_replaced(what: &str, spoil: impl FnOnce(&Path)) {
    let (_dir, cache, component) = filled().await;
    spoil(&kept(&cache, &component));
    assert!(!is_taken(&cache, KEY, &component).await, "{what} was taken");
    assert!(is_taken(&cache, KEY, &component).await, "{what} was not mended");
}

fn flip(path: &Path, at: impl FnOnce(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_kept_module_behaves_as_the_compiled_one() {
    let (_dir, cache, component) = filled().await;
    let uncached = run(&component, Limits::default(), vec![]).await;
    let cached = run_on(&host(&cache, KEY), &component, Limits::default(), vec![]).await;
    assert_eq!((cached.output, cached.stopped), (uncached.output, uncached.stopped));
    assert_eq!(cached.runtime.fuel_consumed, uncached.runtime.fuel_consumed);
}

#[tokio::test]
async fn one_flipped_bit_is_compiled_again_wherever_it_is() {
    check_replaced("a flipped format", |path| flip(path, |_| 0)).await;
    check_replaced("a flipped MAC", |path| flip(path, |_| 16)).await;
    check_replaced("a flipped engine", |path| flip(path, |_| 48)).await;
    check_replaced("a flipped module", |path| flip(path, |_| 80)).await;
    check_replaced("flipped code", |path| flip(path, |_| 112)).await;
    check_replaced("flipped code", |path| flip(path, |len| len / 2)).await;
    check_replaced("flipped code", |path| flip(path, |len| len - 1)).await;
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_compiled_again() {
    let cut = |len: usize| move |path: &Path| fs::write(path, &fs::read(path).unwrap()[..len]).unwrap();
    for len in [0, 15, 111, 112, 5000] {
        check_replaced("a cut file", cut(len)).await;
    }
    let longer = |path: &Path| fs::write(path, [&fs::read(path).unwrap()[..], b"x"].concat()).unwrap();
    check_replaced("a file with one byte more", longer).await;
}

#[tokio::test]
async fn a_file_that_others_could_have_written_is_compiled_again() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o700, 0o4600] {
        let widen = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        check_replaced("a file of another mode", widen).await;
    }
    if rustix::process::geteuid().is_root() {
        let give = |path: &Path| std::os::unix::fs::chown(path, Some(65534), None).unwrap();
        check_replaced("a file of another user", give).await;
    } else {
        println!("LEFT OUT: a file of another user, which only root can make");
    }
}

#[tokio::test]
async fn what_is_no_regular_file_is_compiled_again_without_waiting() {
    let move_away = |path: &Path| {
        let elsewhere = path.with_extension("elsewhere");
        fs::rename(path, &elsewhere).unwrap();
        elsewhere
    };
    check_replaced("a link to a good file", |path| symlink(move_away(path), path).unwrap()).await;
    let fifo = |path: &Path| {
        move_away(path);
        let made = std::process::Command::new("mkfifo").arg("-m600").arg(path).status();
        assert!(made.unwrap().success());
    };
    check_replaced("a pipe", fifo).await;
}

#[tokio::test]
async fn a_file_sealed_with_another_key_is_compiled_again() {
    let (_dir, cache, component) = filled().await;
    assert!(!is_taken(&cache, [2; 32], &component).await);
    assert!(is_taken(&cache, [2; 32], &component).await);
    assert!(!is_taken(&cache, KEY, &component).await);
}

#[tokio::test]
async fn the_file_of_one_module_does_not_pass_for_another() {
    let (_dir, cache, component) = filled().await;
    let other = says("(call $fail)");
    let ran = run_on(&host(&cache, KEY), &other, Limits::default(), vec![]).await;
    assert_eq!(ran.output, Err("null".into()));
    fs::copy(kept(&cache, &other), kept(&cache, &component)).unwrap();
    // `is_taken` sees that the output is its own.
    fs::set_permissions(kept(&cache, &component), fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(kept(&cache, &component)).unwrap();
    is_taken(&cache, KEY, &component).await;
    assert_ne!(fs::read(kept(&cache, &component)).unwrap(), before);
    // The header alone moved to the other's code: the MAC is over both.
    let mut spliced = fs::read(kept(&cache, &component)).unwrap();
    spliced.truncate(112);
    spliced.extend(&fs::read(kept(&cache, &other)).unwrap()[112..]);
    fs::write(kept(&cache, &component), &spliced).unwrap();
    is_taken(&cache, KEY, &component).await;
    assert_ne!(fs::read(kept(&cache, &component)).unwrap(), spliced);
}

/// Shows that what the other tests see replaced would have run: only the seal decides.
#[tokio::test]
async fn what_is_sealed_is_what_runs() {
    let (_dir, cache, component) = filled().await;
    let other = says("(call $fail)");
    let host = host(&cache, KEY);
    let engine = host.wasmtime();
    let code = Component::from_binary(engine, &other).unwrap().serialize().unwrap();
    let seal = Seal::new(HashKey::new(&KEY), EngineId::of(engine));
    let file = [seal.header(Digest::of(&component), &code), code].concat();
    fs::write(kept(&cache, &component), file).unwrap();
    let ran = run_on(&host, &component, Limits::default(), vec![]).await;
    assert_eq!(ran.output, Err("null".into()));
}

#[tokio::test]
async fn code_of_another_engine_is_compiled_again() {
    let (_dir, cache, component) = filled().await;
    let other = wasmtime::Engine::default();
    let code = Component::from_binary(&other, &component).unwrap().serialize().unwrap();
    let host = host(&cache, KEY);
    let (own, foreign) = (EngineId::of(host.wasmtime()), EngineId::of(&other));
    assert!(own != foreign);
    // With its true name, and lying.
    for engine in [foreign, own] {
        let header = Seal::new(HashKey::new(&KEY), engine).header(Digest::of(&component), &code);
        fs::write(kept(&cache, &component), [&header[..], &code].concat()).unwrap();
        assert!(!is_taken(&cache, KEY, &component).await);
    }
}

#[test]
fn a_directory_that_others_can_enter_is_no_cache() {
    let (_dir, cache) = dir();
    fs::create_dir(&cache).unwrap();
    for (mode, fits) in [(0o700, true), (0o710, false), (0o701, false), (0o500, true)] {
        fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(ModuleCache::open(&cache, &KEY).is_ok(), fits, "{mode:o}");
    }
    let link = cache.with_file_name("link");
    symlink(&cache, &link).unwrap();
    assert!(ModuleCache::open(&link, &KEY).is_err());
    assert!(ModuleCache::open(&cache.join("not/there"), &KEY).is_err());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_failure() {
    let (_dir, cache, component) = filled().await;
    let host = host(&cache, KEY);
    fs::remove_dir_all(&cache).unwrap();
    let ran = run_on(&host, &component, Limits::default(), vec![]).await;
    assert_eq!(ran.output, Ok("null".into()));
    host.prune_cache();
}

#[tokio::test]
async fn files_of_other_modules_go_when_they_are_too_many() {
    let (_dir, cache, component) = filled().await;
    let host = host(&cache, KEY);
    run_on(&host, &component, Limits::default(), vec![]).await;
    let put = |name: &str, mib: u64, age_s: u64| {
        let file = fs::File::create_new(cache.join(name)).unwrap();
        file.set_len(mib << 20).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age_s)).unwrap();
    };
    let names = ["old.sealed", "middle.sealed", "new.sealed", "unfinished-1", "other"];
    put(names[0], 100, 300);
    put(names[1], 100, 200);
    host.prune_cache();
    let left = || names.map(|name| cache.join(name).exists());
    assert_eq!(left(), [true, true, false, false, false]);
    put(names[2], 100, 100);
    put(names[3], 1, 0);
    put(names[4], 500, 0);
    host.prune_cache();
    assert_eq!(left(), [false, true, true, false, true]);
    assert!(kept(&cache, &component).exists());
}
