//! Everything that a start would refuse about the files of a home, all at once and without a start.

use latchgate_wire::digest::Digest;

use crate::config::{Environment, Resolved};
use crate::home::files::private_dir;
use crate::home::places::Places;
use crate::setup::loading;
use crate::setup::start::StartError;

/// The problems of configuration, manifests, policies and modules; none means that a start takes them.
pub fn problems(places: &Places) -> Vec<String> {
    let resolved = Resolved::load(&places.config_file(), &Environment::of_process(), &[]);
    let mut problems = resolved.err().map_or_else(Vec::new, |error| error.0);
    let dirs = [places.config_dir.clone(), places.manifests_dir(), places.policies_dir()];
    for dir in dirs.iter().filter(|dir| dir.exists()) {
        problems.extend(private_dir(dir).err().map(|error| error.to_string()));
    }
    match loading::catalog(places) {
        Ok(catalog) => problems.extend(catalog.actions.values().filter_map(|action| {
            let manifest = &action.manifest;
            unpinned(places, &manifest.module, manifest.module_digest)
                .map(|problem| format!("action {}: {problem}", manifest.action_id))
        })),
        Err(StartError::Catalog(found)) => problems.extend(found),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

/// Why a module is not the one that its manifest pins.
fn unpinned(places: &Places, module: &str, pinned: Digest) -> Option<String> {
    match loading::module_bytes(&places.manifests_dir(), module) {
        Ok(bytes) => {
            let found = Digest::of(&bytes);
            (found != pinned).then(|| format!("module {module} is {found}, the manifest pins {pinned}"))
        }
        Err(problem) => Some(problem),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn problems_of_every_file_are_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at_home(dir.path());
        for dir in [&places.config_dir, &places.manifests_dir(), &places.policies_dir()] {
            fs::create_dir_all(dir).unwrap();
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert_eq!(problems(&places), [""; 0]);
        fs::write(places.config_file(), "[auth]\nlease_ttl_s = 0\n[approvals]\nttl_s = 0\n").unwrap();
        fs::write(places.policies_dir().join("a.cedar"), "permit (principal, action);\n").unwrap();
        let told = problems(&places);
        assert!(told.len() >= 3, "{told:#?}");
        for part in ["lease_ttl_s is 0", "ttl_s is 0", "policies/a.cedar:1"] {
            assert!(told.iter().any(|problem| problem.contains(part)), "{part}: {told:#?}");
        }
    }
}
