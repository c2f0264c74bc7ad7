//! Findings of the doctor, one below the other; commands are never broken, so that they can be copied.

use latchgate_daemon::doctor::{Finding, Level};
use owo_colors::OwoColorize as _;

use crate::visible::styled;

/// Where the words begin.
const INDENT: usize = 20;

pub fn list(findings: &[Finding]) -> String {
    findings.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(finding: &Finding) -> String {
    let mark = match finding.level {
        Level::Ok => format!("{:<8}", "ok").green().to_string(),
        Level::Warning => format!("{:<8}", "warning").yellow().bold().to_string(),
        Level::Problem => format!("{:<8}", "problem").red().bold().to_string(),
    };
    let mut lines = vec![format!("{mark}  {:<8}  {}", finding.check, styled(&finding.what))];
    let below = " ".repeat(INDENT);
    lines.extend(finding.means.iter().map(|means| format!("{below}{}", styled(means).dimmed())));
    lines.extend(finding.remedy.iter().map(|command| format!("{below}run: {}", styled(command).bold())));
    lines.join("\n")
}

pub fn summary(problems: usize, warnings: usize) -> String {
    let counted = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    match (problems, warnings) {
        (0, 0) => "nothing is wrong".into(),
        (0, warnings) => format!("no problem, {}", counted(warnings, "warning")),
        (problems, warnings) => format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_finding_says_what_it_means_and_what_to_type() {
        let findings = [
            Finding::ok("disk", "900 MiB are free"),
            Finding::problem("files", "/k has mode 0644").means("others could read it").run("chmod 0600 /k"),
        ];
        let expected = "\
ok        disk      900 MiB are free
problem   files     /k has mode 0644
                    others could read it
                    run: chmod 0600 /k";
        assert_eq!(stripped(&list(&findings)), expected);
    }

    #[test]
    fn the_count_is_grammatical() {
        assert_eq!(summary(1, 2), "1 problem, 2 warnings");
        assert_eq!(summary(0, 1), "no problem, 1 warning");
        assert_eq!(summary(0, 0), "nothing is wrong");
    }
}
