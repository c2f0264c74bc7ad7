//! Manifests of tests: a bundled one under another name, with some of its lines changed.

use crate::binary::workspace;

/// `http_post` with a body whose members policy can see, so that a permit is enough: an open body is asked for.
///
/// # Panics
/// If one of the texts to be replaced does not stand in it.
pub fn typed_post(action_id: &str, changes: &[(&str, &str)]) -> String {
    let closed = "additionalProperties: false\n      properties:\n        text: { type: string }\n        \
                  attempts: { type: integer }";
    let closing = [("maxProperties: 1000", closed)];
    variant("http_post", action_id, &[&closing, changes].concat())
}

/// `manifests/{bundled}.yaml` as the action `action_id`, each `(from, to)` replaced once.
///
/// # Panics
/// If there is no such manifest, or one of the texts does not stand in it.
pub fn variant(bundled: &str, action_id: &str, changes: &[(&str, &str)]) -> String {
    let path = workspace().join("manifests").join(format!("{bundled}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let renamed = (format!("action_id: {bundled}"), format!("action_id: {action_id}"));
    let renamed = (renamed.0.as_str(), renamed.1.as_str());
    std::iter::once(&renamed).chain(changes).fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{}: no `{from}` to replace", path.display());
        text.replacen(from, to, 1)
    })
}
