//! `ledger export`: a copy of the log for strangers: entries, tiles and a checkpoint that everything was held to on the way.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::merkle::leaf_hash;
use latchgate_wire::tile::{Edge, Tile, WIDTH};
use serde_json::json;

use super::seen::Trust;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger export /srv/evidence
  latchgate verify /srv/evidence --key entry.pub

The directory holds log/ (JSON lines), tile/ (hash tiles and entry bundles, C2SP
tlog-tiles), checkpoint (a signed note) and checkpoints (those before it).
Payloads are not in it. It can be served as it is by any web server.";

/// Write entries, tiles and a checkpoint into a new directory
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// A directory that is not there yet, or is empty
    dir: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

impl Export {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let shown = self.trust.checkpoint(operator, console).await?;
        let size = shown.checkpoint.size;
        let dir = Dir::create(&self.dir)?;
        let mut log = BufWriter::new(dir.create_file("log/00000000000000000000.jsonl")?);
        let mut edge = Edge::default();
        for index in 0..size.div_ceil(WIDTH) {
            let Some(tile) = Tile::at(0, index, size) else { break };
            let path = tile.entries_path();
            let bytes = operator.ledger_tile(&path).await?;
            let lines = Tile::unbundle(&bytes).filter(|lines| lines.len() == usize::from(tile.width));
            let lines = lines.ok_or_else(|| unproven("a bundle of entries is not whole"))?;
            dir.write(&format!("tile/{path}"), &bytes)?;
            for line in lines {
                for (full, hashes) in edge.push(leaf_hash(&line)) {
                    dir.write(&full.to_string(), &hashes.concat())?;
                }
                log.write_all(&line)?;
                log.write_all(b"\n")?;
            }
        }
        for (tile, hashes) in edge.partial() {
            dir.write(&tile.to_string(), &hashes.concat())?;
        }
        log.into_inner().map_err(io::Error::other)?.sync_all()?;
        if edge.root().ok() != Some(shown.checkpoint.root) {
            return Err(unproven("the entries are not those that were signed over"));
        }
        dir.write("checkpoint", shown.note.as_bytes())?;
        write_history(operator, &dir, &shown.checkpoint).await?;
        self.tell(size, console)
    }

    fn tell(&self, size: u64, console: &Console) -> Result<Exit, Failure> {
        if console.is_json() {
            console.json(&json!({ "dir": self.dir, "entries": size }))?;
        } else {
            let dir = styled(&self.dir.display().to_string());
            let mut facts = Facts::default();
            facts
                .add("export", &dir)
                .add("entries", format!("{size}, held to the signed root"))
                .add("payloads", "left out: entries name them by salted digest")
                .add("next", format!("latchgate verify {dir} --key FILE"));
            console.result(&facts.render())?;
        }
        Ok(Exit::Done)
    }
}

/// Every checkpoint up to the one that the export is held to.
async fn write_history(operator: &OperatorClient, dir: &Dir<'_>, newest: &Checkpoint) -> Result<(), Failure> {
    let mut file = BufWriter::new(dir.create_file("checkpoints")?);
    let mut from = 0;
    loop {
        let page = operator.ledger_checkpoints(from).await?;
        if page.is_empty() {
            break;
        }
        from += page.len() as u64;
        for line in page.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let said = Checkpoint::of_line(&newest.origin, text.trim_end());
            if said.is_none_or(|(said, _)| said.size <= newest.size) {
                file.write_all(line)?;
            }
        }
    }
    file.into_inner().map_err(io::Error::other)?.sync_all()?;
    Ok(())
}

fn unproven(why: &str) -> Failure {
    Failure::new(Exit::VerificationFailed, why)
        .remedy("nothing in the directory is to be relied on; run: latchgate verify")
}

/// Where the export goes.
struct Dir<'a>(&'a Path);

impl<'a> Dir<'a> {
    fn create(path: &'a Path) -> Result<Self, Failure> {
        let is_empty = fs::read_dir(path).map_or(true, |mut items| items.next().is_none());
        if !is_empty {
            let what = format!("{}: there is something in it already", path.display());
            return Err(Failure::usage(what).remedy("give a directory that is not there yet"));
        }
        let dir = Self(path);
        dir.make(path)?;
        Ok(dir)
    }

    fn make(&self, path: &Path) -> Result<(), Failure> {
        Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
    }

    fn create_file(&self, name: &str) -> Result<fs::File, Failure> {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            self.make(parent)?;
        }
        Ok(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.create_file(name)?.write_all(bytes)?)
    }
}
