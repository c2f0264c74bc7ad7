//! What ships inside the binary: manifests, components and the policy presets.

use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::{RuleSummary, Source};

macro_rules! bundled {
    ($dir:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../../", $dir, "/", $file)))),+]
    };
}

const MANIFESTS: &[(&str, &str)] = bundled!("manifests":
    "fs_delete.yaml",
    "fs_list.yaml",
    "fs_patch.yaml",
    "fs_read.yaml",
    "fs_search.yaml",
    "fs_write.yaml",
    "github_create_issue.yaml",
    "github_read.yaml",
    "http_fetch.yaml",
    "http_post.yaml",
    "s3_read.yaml",
    "slack_post.yaml",
    "web_read.yaml",
    "wikipedia_read.yaml",
);

const MODULES: &[(&str, &[u8])] = &[
    ("fs", include_bytes!("../../../../actions/prebuilt/fs.wasm")),
    ("http_api", include_bytes!("../../../../actions/prebuilt/http_api.wasm")),
    ("web", include_bytes!("../../../../actions/prebuilt/web.wasm")),
];

/// A policy to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// Cedar; its first line says what the preset is for.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../../../../policies/", $name, "/policy.cedar")) }),+]
    };
}

/// What `--preset` takes; a new home gets the first unless another is named.
pub const PRESETS: &[Preset] =
    presets!("standard", "read-only", "coding", "team", "ops", "lockdown", "observe");

impl Preset {
    pub const STANDARD: Self = PRESETS[0];

    pub fn named(name: &str) -> Option<Self> {
        PRESETS.iter().find(|preset| preset.name == name).copied()
    }

    /// What it is for, in its own words.
    pub fn purpose(&self) -> &'static str {
        self.text.lines().next().and_then(|line| line.strip_prefix("// preset: ")).unwrap_or_default()
    }

    /// Its rules, as they would be in force over the actions that ship.
    ///
    /// # Errors
    /// Every problem; a preset that ships has none.
    pub fn rules(&self) -> Result<Vec<RuleSummary>, Vec<String>> {
        Catalog::load(&manifests(), &[self.source()]).map(|catalog| catalog.policy.rules_summary())
    }

    /// Its file in `policies/`.
    pub fn file_name(&self) -> String {
        format!("{}.cedar", self.name)
    }

    pub fn source(&self) -> Source {
        Source { name: self.file_name(), text: self.text.to_owned() }
    }
}

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
    use latchgate_wire::digest::Digest;

    use super::*;

    #[test]
    fn what_ships_loads_together_and_every_pin_holds() {
        let policy = Preset::STANDARD.source();
        let catalog = Catalog::load(&manifests(), &[policy]).map_err(|problems| problems.join("\n")).unwrap();
        assert_eq!(catalog.actions.len(), MANIFESTS.len());
        for (id, action) in &catalog.actions {
            let manifest = &action.manifest;
            let name = manifest.module.strip_prefix("builtin:").unwrap();
            assert_eq!(Digest::of(module(name).unwrap()), manifest.module_digest, "{id}");
            assert!(catalog.policy.may_permit(id), "{id} could never be called");
        }
    }

    #[test]
    fn every_preset_loads_says_what_it_is_for_and_has_a_rule() {
        for preset in PRESETS {
            assert!(preset.purpose().ends_with('.'), "{}", preset.name);
            assert!(!preset.rules().unwrap().is_empty(), "{}", preset.name);
            assert_eq!(Preset::named(preset.name), Some(*preset));
        }
        assert_eq!(Preset::STANDARD.name, "standard");
    }
}
