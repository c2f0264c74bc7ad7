//! Rules on each file: it says its purpose first, and no test is switched off.

use super::Finding;
use super::source::Source;

/// Where every file starts with its purpose.
const WITH_HEADER: [&str; 3] = ["kernel/", "adapter/", "xtask/"];

pub fn check(source: &Source) -> Vec<Finding> {
    header(source).into_iter().chain(ignored_tests(source)).collect()
}

fn header(source: &Source) -> Option<Finding> {
    let expected = WITH_HEADER.iter().any(|prefix| source.path.starts_with(prefix));
    let purpose = source.text.lines().next().and_then(|line| line.strip_prefix("//!"));
    let missing = purpose.is_none_or(|purpose| purpose.trim().is_empty());
    (expected && missing).then(|| Finding {
        file: source.path.clone(),
        line: 1,
        what: "no purpose on the first line".to_owned(),
        remedy: "begin the file with `//!` and its one purpose in one sentence",
    })
}

fn ignored_tests(source: &Source) -> Vec<Finding> {
    let ignored = |code: &str| {
        let compact: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        compact.contains("#[ignore]") || compact.contains("#[ignore=") || compact.contains(",ignore)]")
    };
    let lines = source.all_lines().filter(|line| ignored(line.code));
    let finding = |line: usize| Finding {
        file: source.path.clone(),
        line,
        what: "a test is switched off".to_owned(),
        remedy: "repair the test, or delete it with the reason in the commit",
    };
    lines.map(|line| finding(line.number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::parse(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_kernel_file_says_its_purpose_first() {
        for bad in ["", "use a::b;", "//!\n", "// A note.\n//! Late."] {
            assert_eq!(lines("kernel/wire/src/id.rs", bad), [1], "{bad}");
            assert_eq!(lines("tests/e2e/call.rs", bad), [0; 0], "{bad}");
        }
        assert_eq!(lines("kernel/wire/src/id.rs", "//! Identifiers."), [0; 0]);
    }

    #[test]
    fn no_test_is_switched_off() {
        for bad in ["#[ignore]", "#[ignore = \"slow\"]", "# [ ignore ]", "#[cfg_attr(unix, ignore)]"] {
            assert_eq!(lines("tests/e2e/call.rs", &format!("#[test]\n{bad}\nfn a() {{}}")), [2], "{bad}");
        }
        for good in ["// #[ignore] is not used", "let a = \"#[ignore]\";", "#[must_use]"] {
            assert_eq!(
                lines("tests/e2e/call.rs", &format!("#[test]\n{good}\nfn a() {{}}")),
                [0; 0],
                "{good}"
            );
        }
    }
}
