//! Debian's Rust toolchain, unpacked into a private directory; nothing is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::remove_directory;
use crate::process;

/// The compiler, std for the host (build scripts and macros), std's sources, and the linker with its
/// LLVM. What these need beyond that, gcc and small libraries, is on a machine that can build the rest of
/// the project.
const PACKAGES: [&str; 7] = [
    "rustc-web",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "rust-web-src",
    "rust-web-llvm",
    "libllvm22",
    "lld-22",
];
const COMPILER: &str = "rustc-web";

/// Written last: its presence says that unpacking was finished. Holds the compiler package's version.
const VERSION_FILE: &str = "VERSION";

pub struct Unpacked {
    pub directory: PathBuf,
    pub version: String,
}

impl Unpacked {
    pub fn rustc(&self) -> PathBuf {
        self.directory.join("usr/bin/rustc")
    }

    pub fn linker(&self) -> PathBuf {
        self.directory.join("usr/bin/wasm-ld-22")
    }

    pub fn library_path(&self) -> PathBuf {
        self.directory.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH))
    }
}

/// Takes what an earlier run left in `directory`, or downloads and unpacks it there.
pub fn unpack(directory: &Path) -> Result<Unpacked> {
    if let Ok(version) = fs::read_to_string(directory.join(VERSION_FILE)) {
        return Ok(Unpacked { directory: directory.to_owned(), version });
    }
    println!("unpacking Debian's toolchain into {}", directory.display());
    remove_directory(directory)?;
    let packages = directory.join("packages");
    fs::create_dir_all(&packages).with_context(|| format!("create {}", packages.display()))?;
    let download = process::run(process::program("apt-get", &packages).arg("download").args(PACKAGES));
    download.context("download Debian's toolchain (does `apt-get update` help?)")?;

    let mut version = None;
    for file in fs::read_dir(&packages)? {
        let package = file?.path();
        process::run(process::program("dpkg", directory).arg("-x").args([package.as_path(), directory]))?;
        let name = field(&package, "Package")?;
        if name == COMPILER {
            version = Some(field(&package, "Version")?);
        }
    }
    let version = version.with_context(|| format!("apt-get did not download {COMPILER}"))?;
    remove_directory(&packages)?;
    fs::write(directory.join(VERSION_FILE), &version).context("write the toolchain's version")?;
    Ok(Unpacked { directory: directory.to_owned(), version })
}

fn field(package: &Path, name: &str) -> Result<String> {
    let directory = package.parent().context("a package lies in a directory")?;
    let mut command = process::program("dpkg-deb", directory);
    Ok(process::output(command.arg("-f").arg(package).arg(name))?.trim_end().to_owned())
}
