//! `--preset`: a new home's policy, which never replaces or joins one that somebody has already.

use crate::home::files::{FileError, create_private};
use crate::home::places::Places;
use crate::setup::builtin::Preset;

/// A preset is for a home without a policy; one that has this preset and nothing else may name it again.
///
/// # Errors
/// What lies in `policies/`, and what to do instead.
pub fn check(places: &Places, preset: Preset, is_new: bool) -> Result<(), String> {
    let dir = places.policies_dir();
    let found = policy_files(places)?;
    let is_own = found == [preset.file_name()];
    if is_own || (is_new && found.is_empty()) {
        return Ok(());
    }
    let holds = if found.is_empty() { "no policy".to_owned() } else { found.join(", ") };
    Err(format!(
        "--preset {name} is for a new home, and {dir} of this one holds {holds}; put what `latchgate presets show \
         {name}` prints into policies/ in place of that, and start without --preset",
        name = preset.name,
        dir = dir.display(),
    ))
}

/// Writes the preset, unless somebody (or a first start that was cut off) left a policy: none is opened by another. Says what
/// was written.
pub fn put(places: &Places, preset: Preset) -> Result<Option<Preset>, FileError> {
    let path = places.policies_dir().join(preset.file_name());
    // A directory that cannot be read is told by whoever loads it.
    if policy_files(places).is_ok_and(|files| files.is_empty()) {
        create_private(&path, preset.text.as_bytes())?;
        return Ok(Some(preset));
    }
    Ok(None)
}

/// Whether any policy would be in force.
pub fn has_policy(places: &Places) -> bool {
    policy_files(places).is_ok_and(|files| !files.is_empty())
}

/// Names of the files that would be in force.
fn policy_files(places: &Places) -> Result<Vec<String>, String> {
    let dir = places.policies_dir();
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let io = |error| format!("{}: {error}", dir.display());
    let mut names = Vec::new();
    for file in std::fs::read_dir(&dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar" || extension == "yaml") {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[&str]) -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at_home(dir.path());
        std::fs::create_dir(places.policies_dir()).unwrap();
        files.iter().for_each(|file| std::fs::write(places.policies_dir().join(file), "").unwrap());
        (dir, places)
    }

    #[test]
    fn a_preset_is_for_a_new_home_or_the_home_that_has_it() {
        let coding = Preset::named("coding").unwrap();
        let allowed = |files: &[&str], is_new| check(&home(files).1, coding, is_new).is_ok();
        assert!(allowed(&[], true));
        assert!(allowed(&["coding.cedar"], false));
        assert!(allowed(&["coding.cedar", "notes.txt"], false));
        assert!(!allowed(&[], false), "an emptied home denies everything, and no preset opens it unasked");
        assert!(!allowed(&["standard.cedar"], false));
        assert!(!allowed(&["standard.cedar"], true));
        assert!(!allowed(&["coding.cedar", "rules.yaml"], false));
    }

    #[test]
    fn no_preset_is_put_beside_a_policy() {
        let (_dir, places) = home(&["lockdown.cedar"]);
        assert_eq!(put(&places, Preset::STANDARD).unwrap(), None);
        assert_eq!(policy_files(&places).unwrap(), ["lockdown.cedar"]);
        let (_dir, places) = home(&[]);
        assert_eq!(put(&places, Preset::STANDARD).unwrap(), Some(Preset::STANDARD));
        assert_eq!(policy_files(&places).unwrap(), ["standard.cedar"]);
    }

    #[test]
    fn a_refused_preset_names_what_lies_there_and_what_to_do() {
        let (_dir, places) = home(&["standard.cedar"]);
        let told = check(&places, Preset::named("lockdown").unwrap(), false).unwrap_err();
        assert!(told.contains("policies of this one holds standard.cedar"), "{told}");
        assert!(told.contains("`latchgate presets show lockdown`"), "{told}");
    }
}
