//! What was spent and what is left: a bar, a number, and colour when it runs out.

use latchgate_wire::api::{BudgetLine, PrincipalBudgets};
use latchgate_wire::receipt::Window;
use owo_colors::OwoColorize as _;

use crate::table::Tone;
use crate::visible::styled;

const BAR: u64 = 10;
/// Of a hundred: from here on it is shown that little is left.
const NEARLY: u64 = 80;

/// One line for each principal, with every window that is bounded.
pub fn lines(principals: &[PrincipalBudgets]) -> Vec<String> {
    let bounded = principals.iter().filter(|p| p.budgets.iter().any(|line| line.limit.is_some()));
    bounded.map(line).collect()
}

fn line(principal: &PrincipalBudgets) -> String {
    let bounded = principal.budgets.iter().filter(|line| line.limit.is_some());
    let windows: Vec<String> = bounded
        .map(|line| {
            let (text, tone) = cell(line);
            let text = match tone {
                Tone::Bad => text.red().to_string(),
                Tone::Warn => text.yellow().to_string(),
                Tone::Plain | Tone::Good | Tone::Quiet => text,
            };
            format!("{} {text}", window(line.window).dimmed())
        })
        .collect();
    format!("{}  {}", styled(&principal.principal), windows.join("  "))
}

/// A window's use: `####------ 4 of 10 calls, 1.20 of 5.00 USD`.
pub fn cell(line: &BudgetLine) -> (String, Tone) {
    let limit = line.limit.as_ref();
    let calls = limit.and_then(|limit| limit.calls);
    let cents = limit.and_then(|limit| limit.usd_cents);
    let bytes = limit.and_then(|limit| limit.bytes_out);
    let bounds = [(line.used.calls, calls), (line.used.usd_cents, cents), (line.used.bytes_out, bytes)];
    let mut parts = vec![amount(line.used.calls, calls, |n| n.to_string(), "calls")];
    if line.used.usd_cents > 0 || cents.is_some() {
        parts.push(amount(line.used.usd_cents, cents, dollars, "USD"));
    }
    if line.used.bytes_out > 0 || bytes.is_some() {
        parts.push(amount(line.used.bytes_out, bytes, |n| n.to_string(), "bytes out"));
    }
    let text = parts.join(", ");
    // Whatever runs out first is what stops the next call.
    match bounds.into_iter().filter_map(|(used, bound)| bound.map(|bound| percent(used, bound))).max() {
        None => (text, Tone::Quiet),
        Some(percent) => (format!("{} {text}", bar(percent)), tone(percent)),
    }
}

fn amount(used: u64, bound: Option<u64>, shown: impl Fn(u64) -> String, unit: &str) -> String {
    match bound {
        Some(bound) => format!("{} of {} {unit}", shown(used), shown(bound)),
        None => format!("{} {unit}", shown(used)),
    }
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Of a hundred, rounded up: 0 only where nothing was used, 100 only where nothing is left.
fn percent(used: u64, bound: u64) -> u64 {
    if used >= bound {
        return 100;
    }
    let percent = (u128::from(used) * 100).div_ceil(u128::from(bound));
    u64::try_from(percent).unwrap_or(100).min(99)
}

fn bar(percent: u64) -> String {
    let most = if percent >= 100 { BAR } else { BAR - 1 };
    let full = (percent * BAR).div_ceil(100).min(most);
    (0..BAR).map(|at| if at < full { '#' } else { '-' }).collect()
}

fn tone(percent: u64) -> Tone {
    match percent {
        100.. => Tone::Bad,
        NEARLY.. => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn window(window: Window) -> &'static str {
    match window {
        Window::Hour => "hour",
        Window::Day => "day",
        Window::Session => "session",
    }
}

#[cfg(test)]
mod tests {
    use latchgate_wire::receipt::{Cost, Limit};

    use super::*;
    use crate::render::stripped;

    fn of(used: Cost, limit: Option<Limit>) -> BudgetLine {
        BudgetLine { window: Window::Day, used, limit }
    }

    fn calls(used: u64, bound: u64) -> BudgetLine {
        let limit = Limit { window: Window::Day, calls: Some(bound), usd_cents: None, bytes_out: None };
        of(Cost { calls: used, ..Cost::default() }, Some(limit))
    }

    #[test]
    fn a_bar_is_empty_only_at_nothing_and_full_only_at_the_end() {
        for (used, bar) in [
            (0, "---------- 0 of 1000 calls"),
            (1, "#--------- 1 of 1000 calls"),
            (500, "#####----- 500 of 1000 calls"),
            (999, "#########- 999 of 1000 calls"),
            (1000, "########## 1000 of 1000 calls"),
        ] {
            assert_eq!(cell(&calls(used, 1000)).0, bar);
        }
        assert_eq!(cell(&calls(1000, 1000)).1, Tone::Bad);
        assert_eq!(cell(&calls(800, 1000)).1, Tone::Warn);
        assert_eq!(cell(&calls(790, 1000)).1, Tone::Plain);
        assert_eq!(cell(&calls(0, 0)).1, Tone::Bad);
    }

    #[test]
    fn what_runs_out_first_is_what_the_bar_shows() {
        let limit = Limit { window: Window::Day, calls: Some(100), usd_cents: Some(500), bytes_out: None };
        let used = Cost { calls: 1, usd_cents: 450, bytes_out: 7 };
        let expected = "#########- 1 of 100 calls, 4.50 of 5.00 USD, 7 bytes out";
        assert_eq!(cell(&of(used, Some(limit))), (expected.to_owned(), Tone::Warn));
    }

    #[test]
    fn who_is_not_bounded_is_not_listed() {
        let free = PrincipalBudgets { principal: "uid:1".into(), budgets: vec![of(Cost::default(), None)] };
        let bound = PrincipalBudgets { principal: "agent:ci".into(), budgets: vec![calls(4, 10)] };
        let lines = lines(&[free, bound]);
        assert_eq!(
            lines.iter().map(|line| stripped(line)).collect::<Vec<_>>(),
            ["agent:ci  day ####------ 4 of 10 calls"]
        );
    }
}
