//! The floor: what one call costs if nothing of ours ran, only the libraries and the disk that it cannot do without.

mod guest;
mod http;
mod policy;

use std::fs::OpenOptions;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::Signer as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};

use crate::measure::{Cost, cost, micros};

/// Arguments of the call that everything here is about.
pub const BODY: &str = r#"{"path":"README.md"}"#;

/// An entry of the ledger has about this size.
const ENTRY_BYTES: usize = 1_100;

/// What a proof of possession has to say takes about this many bytes.
const PROOF_BYTES: usize = 600;

pub struct Floor {
    parts: Vec<Part>,
}

struct Part {
    name: &'static str,
    /// How often a call needs it.
    times: u32,
    cost: Cost,
}

/// # Errors
/// A part that cannot be measured.
pub fn measure(guest: &Path, dir: &Path, iterations: usize) -> Result<Floor> {
    let part = |name, times, cost: Result<Cost>| {
        let cost = cost.with_context(|| format!("floor: {name}"))?;
        Ok(Part { name, times, cost })
    };
    let parts: Result<Vec<Part>> = [
        part("answer over a Unix socket (hyper)", 1, http::answer(dir, iterations)),
        part("P-256 verify (ring)", 1, verify(iterations)),
        part("JCS of the arguments", 1, canonicalize(iterations)),
        part("JSON Schema of the arguments", 1, validate(iterations)),
        part("policy evaluation (Cedar)", 1, policy::evaluate(iterations)),
        part("component instance and run", 1, guest::run(guest, iterations)),
        part("Ed25519 sign", 2, sign(iterations)),
        part("append with fdatasync", 2, append(dir, iterations)),
    ]
    .into_iter()
    .collect();
    Ok(Floor { parts: parts? })
}

impl Floor {
    /// The lesser of two measurements of each part: what else the machine did is no part of the floor.
    pub fn or_less(self, other: Self) -> Self {
        let pairs = self.parts.into_iter().zip(other.parts);
        let less = |a: Cost, b: Cost| Cost { time: a.time.min(b.time), cpu: a.cpu.min(b.cpu) };
        Self { parts: pairs.map(|(a, b)| Part { cost: less(a.cost, b.cost), ..a }).collect() }
    }

    /// The middle of each part's times, added up.
    pub fn time(&self) -> Duration {
        self.parts.iter().map(|part| part.cost.time * part.times).sum()
    }

    /// On the gate's side: of the answer over the socket, the server's half.
    pub fn cpu(&self) -> Duration {
        self.parts.iter().map(|part| part.cost.cpu * part.times).sum()
    }

    pub fn print(&self) {
        println!("the libraries alone");
        println!("{:<36} {:>9} {:>9} {:>9}", "", "per call", "p50 us", "CPU us");
        for Part { name, times, cost } in &self.parts {
            println!("{name:<36} {times:>9} {:>9.1} {:>9.1}", micros(cost.time), micros(cost.cpu));
        }
        println!(
            "{:<36} {:>9} {:>9.1} {:>9.1}",
            "floor of a call",
            "",
            micros(self.time()),
            micros(self.cpu())
        );
    }
}

fn verify(iterations: usize) -> Result<Cost> {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let broken = |_| anyhow!("ring has no key or signature");
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(broken)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
    let pair = pair.map_err(|error| anyhow!("{error}"))?;
    let message = vec![b'x'; PROOF_BYTES];
    let signature = pair.sign(&random, &message).map_err(broken)?;
    let key = pair.public_key().as_ref();
    cost(iterations, || {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, black_box(key));
        key.verify(&message, signature.as_ref()).map_err(|_| anyhow!("a good signature was refused"))
    })
}

fn sign(iterations: usize) -> Result<Cost> {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let entry = vec![b'x'; ENTRY_BYTES];
    cost(iterations, || {
        black_box(key.sign(black_box(&entry)));
        Ok(())
    })
}

/// Into space that was allocated and filled before, so that no metadata changes.
fn append(dir: &Path, iterations: usize) -> Result<Cost> {
    let path = dir.join("append");
    let file = OpenOptions::new().create_new(true).write(true).open(&path)?;
    file.write_all_at(&vec![0; (2 * iterations + 16) * ENTRY_BYTES], 0)?;
    file.sync_all()?;
    let entry = [b'x'; ENTRY_BYTES];
    let mut at = 0;
    let cost = cost(iterations, || {
        file.write_all_at(&entry, at)?;
        file.sync_data()?;
        at += ENTRY_BYTES as u64;
        Ok(())
    })?;
    std::fs::remove_file(&path)?;
    Ok(cost)
}

fn canonicalize(iterations: usize) -> Result<Cost> {
    let arguments: Value = serde_json::from_str(BODY)?;
    cost(iterations, || {
        black_box(serde_json_canonicalizer::to_vec(black_box(&arguments))?);
        Ok(())
    })
}

fn validate(iterations: usize) -> Result<Cost> {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "properties": {"path": {"type": "string", "minLength": 1, "maxLength": 4096}},
    });
    let validator = jsonschema::validator_for(&schema)?;
    let arguments: Value = serde_json::from_str(BODY)?;
    cost(iterations, || {
        validator
            .validate(black_box(&arguments))
            .map_err(|error| anyhow!("good arguments were refused: {error}"))
    })
}
