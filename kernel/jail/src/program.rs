//! Where a program lies on the machine, and what of it must be inside besides the system for it to start.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A program outside the system's directories, found as a shell would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The directory in which it was found, for the `PATH` inside.
    pub directory: PathBuf,
    /// What is read when it starts: that directory, and the whole of what it was installed as.
    pub needs: Vec<PathBuf>,
}

const MODULES: &str = "node_modules";

impl Program {
    /// `None` for a path with directories, for what is not found, and for what lies in the system.
    pub fn find(name: &OsStr, search: &OsStr) -> Option<Self> {
        if Path::new(name).components().count() != 1 {
            return None;
        }
        let found = std::env::split_paths(search).filter(|dir| dir.is_absolute()).find_map(|dir| {
            let path = dir.join(name);
            is_executable(&path).then_some(path)
        })?;
        let directory = found.parent()?.to_owned();
        let installed = installation(&found.canonicalize().ok()?);
        let needs: Vec<PathBuf> =
            [directory.clone(), installed].into_iter().filter(|path| !is_system(path)).collect();
        if needs.is_empty() { None } else { Some(Self { directory, needs }) }
    }
}

/// What a program was installed with: for one of npm's the directory of all modules, else the directory it lies in.
fn installation(real: &Path) -> PathBuf {
    let modules = real.ancestors().filter(|path| path.file_name() == Some(OsStr::new(MODULES))).last();
    modules.or(real.parent()).unwrap_or(real).to_owned()
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_system(path: &Path) -> bool {
    ["/usr", "/bin", "/sbin", "/opt", "/nix/store", "/gnu/store", "/snap"]
        .iter()
        .any(|dir| path.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_program_brings_its_installation() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, package) = (dir.path().join("bin"), dir.path().join("lib/node_modules/a/bin"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("cli.js"), "").unwrap();
        fs::set_permissions(package.join("cli.js"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(package.join("cli.js"), bin.join("agent")).unwrap();
        let found = Program::find(OsStr::new("agent"), bin.as_os_str()).unwrap();
        let modules = dir.path().canonicalize().unwrap().join("lib/node_modules");
        assert_eq!(found, Program { directory: bin.clone(), needs: vec![bin.clone(), modules] });
        assert_eq!(Program::find(OsStr::new("none"), bin.as_os_str()), None);
        assert_eq!(Program::find(OsStr::new("sh"), OsStr::new("/bin")), None);
    }
}
