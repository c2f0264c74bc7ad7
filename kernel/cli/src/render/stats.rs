//! Counts of decisions as a table, with a bar a row where somebody sees it.

use latchgate_wire::stats::{AuditStats, By, Decision, StatsRow};
use latchgate_wire::time::Timestamp;

use crate::table::{Rows, Tone};
use crate::when;

const BAR_COLUMNS: u64 = 20;
/// From one eighth to a whole column.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    Blocks,
    Ascii,
}

impl Bar {
    /// As the locale says (POSIX: the first of these that is set); colour has no part in it.
    pub fn of_environment() -> Self {
        let variables = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
        Self::of_locale(variables.iter().find(|value| !value.is_empty()).map_or("", String::as_str))
    }

    fn of_locale(locale: &str) -> Self {
        let charset = locale.to_ascii_lowercase().replace('-', "");
        if charset.contains("utf8") { Self::Blocks } else { Self::Ascii }
    }

    fn draw(self, count: u64, largest: u64) -> String {
        let eighths = count.saturating_mul(BAR_COLUMNS * 8).div_ceil(largest.max(1));
        let (whole, rest) = (eighths / 8, eighths % 8);
        let whole = usize::try_from(whole).unwrap_or(0);
        match (self, rest) {
            (Self::Ascii, 0) => "#".repeat(whole),
            (Self::Ascii, _) => "#".repeat(whole + 1),
            (Self::Blocks, 0) => "█".repeat(whole),
            (Self::Blocks, rest) => {
                let part = usize::try_from(rest - 1).ok().and_then(|at| EIGHTHS.get(at));
                format!("{}{}", "█".repeat(whole), part.copied().unwrap_or_default())
            }
        }
    }
}

/// The rows as they came. Without `bar` there is none.
pub fn table(stats: &AuditStats, bar: Option<Bar>, width: Option<usize>) -> String {
    let mut heads = match stats.by {
        By::Action => vec!["ACTION"],
        By::Principal => vec!["PRINCIPAL"],
        By::Decision => vec!["DECISION"],
        By::Hour => vec!["HOUR (UTC)"],
    };
    heads.push("CALLS");
    if stats.by != By::Decision {
        heads.extend(["ALLOWED", "HELD", "APPROVED", "DENIED"]);
    }
    heads.extend(bar.map(|_| ""));
    let largest = stats.rows.iter().map(|row| row.total).max().unwrap_or(0);
    let mut rows = Rows::new(&heads, width);
    for row in &stats.rows {
        let cells = cells(stats.by, row, bar.map(|bar| bar.draw(row.total, largest)));
        rows.add(cells.iter().map(|(text, tone)| (text.as_str(), *tone)));
    }
    rows.render()
}

fn cells(by: By, row: &StatsRow, bar: Option<String>) -> Vec<(String, Tone)> {
    let hour = row.key.parse().ok().filter(|_| by == By::Hour);
    let key = hour.map_or_else(|| row.key.clone(), |time: Timestamp| when::short(time));
    let mut cells = vec![(key, Tone::Plain), (row.total.to_string(), Tone::Plain)];
    if by != By::Decision {
        cells.extend(Decision::ALL.map(|decision| {
            let count = row.of(decision);
            (count.to_string(), if count == 0 { Tone::Quiet } else { tone(decision) })
        }));
    }
    cells.extend(bar.map(|bar| (bar, Tone::Plain)));
    cells
}

fn tone(decision: Decision) -> Tone {
    match decision {
        Decision::Allowed | Decision::Approved => Tone::Good,
        Decision::Held => Tone::Warn,
        Decision::Denied => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    fn stats(by: By) -> AuditStats {
        let mut often = StatsRow { key: "fs_read".into(), ..StatsRow::default() };
        often.add(Decision::Allowed, 30);
        often.add(Decision::Denied, 10);
        let mut seldom = StatsRow { key: "fs\u{202E}write".into(), ..StatsRow::default() };
        seldom.add(Decision::Held, 1);
        AuditStats { by, since: None, until: None, rows: vec![often, seldom], left_off: 0 }
    }

    #[test]
    fn a_terminal_gets_a_bar_for_each_row() {
        let expected = "\
ACTION           CALLS  ALLOWED  HELD  APPROVED  DENIED
fs_read          40     30       0     0         10      ████████████████████
fs\\u{202E}write  1      0        1     0         0       ▌";
        assert_eq!(stripped(&table(&stats(By::Action), Some(Bar::Blocks), None)), expected);
        let ascii = stripped(&table(&stats(By::Action), Some(Bar::Ascii), None));
        assert!(ascii.is_ascii() && ascii.contains("####################\n"), "{ascii}");
    }

    #[test]
    fn a_file_gets_none() {
        assert_eq!(
            stripped(&table(&stats(By::Decision), None, None)).lines().next(),
            Some("DECISION         CALLS")
        );
    }

    #[test]
    fn what_is_counted_is_seen_however_little_it_is() {
        assert_eq!(Bar::Blocks.draw(1, u64::MAX), "▏");
        assert_eq!(Bar::Ascii.draw(1, 1_000_000), "#");
        assert_eq!(Bar::Blocks.draw(0, 0), "");
    }

    #[test]
    fn blocks_need_a_locale_that_has_them() {
        for (locale, bar) in [
            ("en_US.UTF-8", Bar::Blocks),
            ("C.utf8", Bar::Blocks),
            ("C", Bar::Ascii),
            ("de_DE.ISO-8859-1", Bar::Ascii),
            ("", Bar::Ascii),
        ] {
            assert_eq!(Bar::of_locale(locale), bar, "{locale}");
        }
    }
}
