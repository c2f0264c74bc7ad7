//! `tick`, an action with one countable effect a call, and bundled manifests told otherwise.
//!
//! Every argument of `tick` has a type that policy sees: one that has none would turn Allow into Ask.

use crate::binary::workspace;

/// The manifest of `tick` (arguments `url` and `number`), pinned to the module as the bundled manifests are.
///
/// # Panics
/// If the bundled manifests pin none.
pub fn manifest() -> String {
    let bundled = bundled("http_post", &[]);
    let pin = bundled.lines().find_map(|line| line.strip_prefix("module_digest: ")).expect("a pinned module");
    include_str!("tick.yaml").replace("DIGEST", pin)
}

/// A bundled manifest with some of its text replaced, once each.
///
/// # Panics
/// If it does not have that text.
pub fn bundled(name: &str, changes: &[(&str, &str)]) -> String {
    let path = workspace().join("manifests").join(format!("{name}.yaml"));
    let mut text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in {}", path.display());
        text = text.replacen(from, to, 1);
    }
    text
}
