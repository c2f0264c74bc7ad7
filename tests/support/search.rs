//! Looking for what must not be there, in every file below a directory.

use std::fs;
use std::path::Path;

/// Shows every regular file below `dir`; links are not followed.
pub fn each_file(dir: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            each_file(&path, look);
        } else if kind.is_file() {
            look(&path, &fs::read(&path).unwrap());
        }
    }
}

/// Whether `bytes` hold the value anywhere.
pub fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

/// No file below `dir` holds the value; gives how many there were.
#[track_caller]
pub fn assert_nowhere(dir: &Path, value: &str) -> usize {
    let (mut files, mut found) = (0, Vec::new());
    each_file(dir, &mut |path, bytes| {
        files += 1;
        if holds(bytes, value) {
            found.push(path.to_owned());
        }
    });
    assert!(found.is_empty(), "{found:?} hold `{value}`");
    assert!(files > 0, "{} has files to be looked at", dir.display());
    files
}
