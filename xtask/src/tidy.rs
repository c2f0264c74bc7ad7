//! `cargo xtask tidy`: the rules of the design that no compiler checks.

mod confine;
mod edges;
mod layout;
mod mask;
mod source;
mod style;
mod unsafety;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;
use source::Source;

/// Check the rules of the design that no compiler checks
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask tidy")]
pub struct Args {}

/// One breach of a rule, with the way out.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    /// From 1.
    line: usize,
    what: String,
    remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}\n    remedy: {}", self.file, self.line, self.what, self.remedy)
    }
}

/// # Errors
/// A rule is broken; each breach is printed before.
pub fn run(_: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    let files = tracked(&workspace.root)?;
    let mut findings = dependencies(&workspace)?;
    findings.extend(layout::check_names(files.iter().map(|file| file.path.as_str())));
    findings.extend(files.iter().flat_map(layout::check_machine_paths));
    findings.extend(sources(&files));
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, nothing found", files.len());
            Ok(())
        }
        count => bail!("tidy: {count} finding(s) in {} files", files.len()),
    }
}

/// A text file of the repository.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// All text files that are tracked, or would be by `git add .`.
fn tracked(root: &Path) -> Result<Vec<File>> {
    let mut git = process::program("git", root);
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let listing = process::output(&mut git)?;
    let paths = listing.split('\0').filter(|path| !path.is_empty() && root.join(path).is_file());
    paths.filter_map(|path| read_text(root, path).transpose()).collect()
}

fn read_text(root: &Path, path: &str) -> Result<Option<File>> {
    let bytes = std::fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok().map(|text| File { path: path.to_owned(), text }))
}

/// The rules on dependencies: of the kernel's workspace, and of the guests', which is one of its own.
fn dependencies(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("cannot read the manifest of {}", package.name))?;
        findings.extend(edges::check(&edges::Member::new(package, &workspace.root, &manifest)));
    }
    let guests = workspace.root.join("actions/Cargo.toml");
    if guests.exists() {
        for package in &Workspace::at(&guests)?.packages {
            findings.extend(edges::check_guest(package, &workspace.root));
        }
    }
    Ok(findings)
}

fn sources(files: &[File]) -> Vec<Finding> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let mut sources: Vec<Source> = rust.map(|file| Source::parse(&file.path, &file.text)).collect();
    source::mark_test_files(&mut sources);
    let rules = [style::check, unsafety::check, confine::check];
    sources.iter().flat_map(|source| rules.iter().flat_map(|rule| rule(source))).collect()
}
