//! Which actions declare which secrets.

use std::collections::BTreeMap;

use latchgate_monitor::catalog::Catalog;
use latchgate_wire::secret::SecretList;

use super::document::Document;

/// Secrets that actions declare, by name.
#[derive(Default)]
struct Declared {
    /// The actions that use it.
    by: BTreeMap<String, Vec<String>>,
    /// Those of them that do nothing without it.
    needed_by: BTreeMap<String, Vec<String>>,
}

/// The one place that asks the manifests.
fn declared(catalog: &Catalog) -> Declared {
    let mut declared = Declared::default();
    for (id, action) in &catalog.actions {
        for rule in &action.manifest.secrets {
            let used = rule.used();
            for name in used.names() {
                add(&mut declared.by, name, id);
                if rule.required && !used.placement.may_lack(name) {
                    add(&mut declared.needed_by, name, id);
                }
            }
        }
    }
    declared
}

fn add(actions: &mut BTreeMap<String, Vec<String>>, name: &str, id: &str) {
    let of_name = actions.entry(name.to_owned()).or_default();
    if !of_name.iter().any(|known| known == id) {
        of_name.push(id.to_owned());
    }
}

/// What is set, who needs it, and what is missing.
pub fn list(document: &Document, catalog: &Catalog) -> SecretList {
    let mut declared = declared(catalog);
    let mut secrets = document.infos();
    for info in &mut secrets {
        info.needed_by = declared.by.remove(info.name.as_str()).unwrap_or_default();
        declared.needed_by.remove(info.name.as_str());
    }
    SecretList { secrets, missing: declared.needed_by }
}
