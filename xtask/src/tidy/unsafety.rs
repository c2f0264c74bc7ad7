//! Rule: unsafe code stands in a few named files, each use with the reason why it is sound.

use super::Finding;
use super::source::{Source, has_word};

/// The files (or directories, ending in `/`) that may hold unsafe code.
const ALLOWED: [&str; 2] = ["kernel/jail/src/", "kernel/wasm/src/cache/seal.rs"];

/// How far above its use a reason may begin; reasons are short.
const REASON_LINES_MAX: usize = 6;

pub fn check(source: &Source) -> Vec<Finding> {
    let lines = source.all_lines().filter(|line| has_word(line.code, "unsafe"));
    lines.filter_map(|line| breach(source, line.number)).collect()
}

fn breach(source: &Source, line: usize) -> Option<Finding> {
    let (what, remedy) = if !ALLOWED.iter().any(|prefix| source.path.starts_with(prefix)) {
        let remedy = "find a safe way (rustix); otherwise name the file in xtask/src/tidy/unsafety.rs, in its own commit";
        ("unsafe code in a file that is not meant to hold any", remedy)
    } else if !has_reason(&source.text, line) {
        ("unsafe code without a reason", "say why it is sound in a `// SAFETY:` comment right above")
    } else {
        return None;
    };
    Some(Finding { file: source.path.clone(), line, what: what.to_owned(), remedy })
}

/// A `// SAFETY:` on the line itself or in the lines directly above, with no statement ended in between.
fn has_reason(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some((own, above)) = lines.split_last() else { return false };
    let ends_statement = |line: &&&str| {
        let line = line.trim();
        !line.starts_with("//") && line.ends_with([';', '}'])
    };
    let near = above.iter().rev().take(REASON_LINES_MAX).take_while(|line| !ends_statement(line));
    own.contains("// SAFETY:") || near.into_iter().any(|line| line.contains("// SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = "// SAFETY: the descriptor is ours.\n";

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::parse(path, text)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn unsafe_code_stands_only_in_named_files() {
        let text = format!("{REASON}unsafe {{ close(1) }}");
        assert_eq!(found("kernel/jail/src/exec.rs", &text), [""; 0]);
        let elsewhere = found("kernel/daemon/src/up.rs", &text);
        assert_eq!(elsewhere, ["unsafe code in a file that is not meant to hold any"]);
    }

    #[test]
    fn unsafe_code_says_why_it_is_sound() {
        let file = "kernel/jail/src/exec.rs";
        for good in [
            "// SAFETY: ours.\nunsafe { a() }",
            "// SAFETY: ours,\n// and open.\nlet b =\n    unsafe { a() };",
            "unsafe { a() } // SAFETY: ours.",
        ] {
            assert_eq!(found(file, good), [""; 0], "{good}");
        }
        for bad in ["unsafe { a() }", "// SAFETY: ours.\na();\nunsafe { b() }", "// Quick.\nunsafe { a() }"] {
            assert_eq!(found(file, bad), ["unsafe code without a reason"], "{bad}");
        }
    }

    #[test]
    fn the_word_alone_is_not_unsafe_code() {
        for text in ["// unsafe", "#![deny(unsafe_code)]", "let a = \"unsafe\";"] {
            assert_eq!(found("kernel/daemon/src/up.rs", text), [""; 0], "{text}");
        }
    }
}
