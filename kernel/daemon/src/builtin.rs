//! What ships inside the binary: manifests, components and the standard policy.

use latchgate_monitor::policy::Source;

macro_rules! bundled {
    ($dir:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../", $dir, "/", $file)))),+]
    };
}

const MANIFESTS: &[(&str, &str)] = bundled!("manifests": "fs_list.yaml", "fs_read.yaml", "fs_write.yaml", "http_fetch.yaml", "http_post.yaml");

const MODULES: &[(&str, &[u8])] = &[
    ("fs", include_bytes!("../../../actions/prebuilt/fs.wasm")),
    ("http_api", include_bytes!("../../../actions/prebuilt/http_api.wasm")),
];

/// The policy that a new home gets.
pub const STANDARD_POLICY: &str = include_str!("../../../policies/standard/policy.cedar");

pub fn manifests() -> Vec<Source> {
    MANIFESTS
        .iter()
        .map(|(file, text)| Source { name: format!("builtin:{file}"), text: (*text).to_owned() })
        .collect()
}

/// The component that a manifest means by `builtin:NAME`.
pub fn module(name: &str) -> Option<&'static [u8]> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use latchgate_monitor::catalog::Catalog;
    use latchgate_wire::digest::Digest;

    use super::*;

    #[test]
    fn what_ships_loads_together_and_every_pin_holds() {
        let policy = Source { name: "standard.cedar".into(), text: STANDARD_POLICY.into() };
        let catalog = Catalog::load(&manifests(), &[policy]).map_err(|problems| problems.join("\n")).unwrap();
        assert_eq!(catalog.actions.len(), MANIFESTS.len());
        for (id, action) in &catalog.actions {
            let manifest = &action.manifest;
            let name = manifest.module.strip_prefix("builtin:").unwrap();
            assert_eq!(Digest::of(module(name).unwrap()), manifest.module_digest, "{id}");
            assert!(catalog.policy.may_permit(id), "{id} could never be called");
        }
    }
}
