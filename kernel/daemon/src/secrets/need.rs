//! Which actions declare which secrets.

use std::collections::BTreeMap;

use latchgate_monitor::catalog::Catalog;
use latchgate_wire::secret::SecretList;

use super::document::Document;

/// The actions that declare each secret, by its name. The one place that asks the manifests.
fn declared(_catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    BTreeMap::new()
}

/// What is set, who needs it, and what is missing.
pub fn list(document: &Document, catalog: &Catalog) -> SecretList {
    let mut needed = declared(catalog);
    let mut secrets = document.infos();
    for info in &mut secrets {
        info.needed_by = needed.remove(info.name.as_str()).unwrap_or_default();
    }
    SecretList { secrets, missing: needed }
}
