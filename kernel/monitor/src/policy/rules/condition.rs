//! The conditions of a rule beside its actions: who asks, where the operation goes, and when.

use latchgate_wire::principal::{Principal, is_name};
use url::Url;

use super::Wrong;
use super::format::{Then, Window};
use super::literal;
use crate::plan::FsPath;
use crate::schema::below;

/// An enrolled agent by its name; for rules that do not allow, also whoever claims to be it.
pub(super) fn agent(names: &[String], then: Then, at: &str, wrong: &mut Vec<Wrong>) -> String {
    let proven = |name: &String| literal::entity("Principal", &format!("agent:{name}"));
    let enrolled: Vec<String> = names.iter().filter(|name| is_name(name)).map(proven).collect();
    if then == Then::Allow {
        for (i, name) in names.iter().enumerate().filter(|(_, name)| !is_name(name)) {
            let problem = format!("`{}` cannot be the name of an enrolled agent", name.escape_debug());
            let remedy = "only an enrolled agent can be allowed by name: 1 to 64 of A-Z a-z 0-9 . _ -";
            wrong.push(Wrong::new(below(at, i), problem, remedy));
        }
        return equal("principal", &enrolled);
    }
    let claimed: Vec<String> = names.iter().map(|name| literal::text(name)).collect();
    let claimed = equal("context.agent.claimed", &claimed);
    let mut alternatives = vec![format!("(context.agent has claimed && {claimed})")];
    if !enrolled.is_empty() {
        alternatives.push(equal("principal", &enrolled));
    }
    any(&alternatives)
}

pub(super) fn principal(written: &[String], at: &str, wrong: &mut Vec<Wrong>) -> String {
    let (mut groups, mut single) = (Vec::new(), Vec::new());
    for (i, text) in written.iter().enumerate() {
        match text.strip_suffix(":*") {
            Some(group @ ("uid" | "jail" | "agent")) => groups.push(literal::entity("Group", group)),
            _ => match text.parse::<Principal>() {
                Ok(principal) => single.push(literal::entity("Principal", &principal.to_string())),
                Err(error) => {
                    let problem = format!("`{}` is no principal", text.escape_debug());
                    let remedy = format!("{error}, or `*` for the part after the colon");
                    wrong.push(Wrong::new(below(at, i), problem, remedy));
                }
            },
        }
    }
    let mut alternatives: Vec<String> = groups.iter().map(|group| format!("principal in {group}")).collect();
    if !single.is_empty() {
        alternatives.push(equal("principal", &single));
    }
    any(&alternatives)
}

pub(super) fn host(written: &[String], at: &str, wrong: &mut Vec<Wrong>) -> String {
    let (mut exact, mut alternatives) = (Vec::new(), Vec::new());
    if written.iter().any(|text| text == "*") {
        return "context.op has host".to_owned();
    }
    for (i, text) in written.iter().enumerate() {
        let name = text.strip_prefix("*.").unwrap_or(text);
        if !is_host(name) || (name != text && !is_domain(name)) {
            let problem = format!("`{}` is no host as requests name it", text.escape_debug());
            let remedy = "write a name in lower case (xn-- for others than ASCII) or an address, without port; \
                          `*.` in front of a name stands for every name below it, `*` alone for every host";
            wrong.push(Wrong::new(below(at, i), problem, remedy));
        } else if name == text {
            exact.push(literal::text(name));
        } else {
            alternatives.push(format!("context.op.host like {}", literal::pattern(text)));
        }
    }
    if !exact.is_empty() {
        alternatives.insert(0, equal("context.op.host", &exact));
    }
    format!("context.op has host && {}", any(&alternatives))
}

pub(super) fn path(written: &[String], at: &str, wrong: &mut Vec<Wrong>) -> String {
    let (mut exact, mut alternatives) = (Vec::new(), Vec::new());
    for (i, text) in written.iter().enumerate() {
        if !is_normal(text) {
            let problem = format!("`{}` is no path below the root", text.escape_debug());
            let remedy =
                "write it relative to the root, without `.`, `..`, backslash, and slashes at its ends";
            wrong.push(Wrong::new(below(at, i), problem, remedy));
        } else if text.contains('*') {
            alternatives.push(format!("context.op.path like {}", literal::pattern(text)));
        } else {
            exact.push(literal::text(text));
        }
    }
    if !exact.is_empty() {
        alternatives.insert(0, equal("context.op.path", &exact));
    }
    // Requests have a path, too, but no operation.
    format!("context.op has operation && {}", any(&alternatives))
}

/// A window over midnight belongs to the day on which it begins.
pub(super) fn time(window: &Window, at: &str, wrong: &mut Vec<Wrong>) -> String {
    const MINUTE: &str = "context.time.hour * 60 + context.time.minute";
    let days = |shift: u8| {
        let numbers = window.days.iter().map(|day| (day.number() - 1 + shift) % 7 + 1);
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        (!numbers.is_empty()).then(|| equal("context.time.weekday", &numbers))
    };
    let all =
        |conditions: [Option<String>; 3]| conditions.into_iter().flatten().collect::<Vec<_>>().join(" && ");
    let minutes = |text: &Option<String>| text.as_deref().and_then(minutes);
    let (Some(from), Some(to)) = (minutes(&window.from), minutes(&window.to)) else {
        return all([days(0), None, None]);
    };
    let since = Some(format!("{MINUTE} >= {from}"));
    let before = Some(format!("{MINUTE} < {to}"));
    if from == to {
        let problem = "the time ends when it begins";
        wrong.push(Wrong::new(at, problem, "leave out `from` and `to` for the whole day"));
    }
    if from < to {
        return all([days(0), since, before]);
    }
    format!("(({}) || ({}))", all([days(0), since, None]), all([days(1), before, None]))
}

/// `what` is one of `literals`.
pub(super) fn equal(what: &str, literals: &[String]) -> String {
    match literals {
        [one] => format!("{what} == {one}"),
        several => format!("{}.contains({what})", literal::set(several)),
    }
}

fn any(alternatives: &[String]) -> String {
    match alternatives {
        [one] => one.clone(),
        several => format!("({})", several.join(" || ")),
    }
}

/// Whether a request to this host would name it with these very characters.
fn is_host(text: &str) -> bool {
    let parsed = Url::parse(&format!("https://{text}/"));
    parsed.is_ok_and(|url| url.host_str() == Some(text)) && !text.ends_with('.') && !text.contains('*')
}

/// Whether a name can have names below it; an address cannot.
fn is_domain(text: &str) -> bool {
    Url::parse(&format!("https://{text}/")).is_ok_and(|url| url.domain().is_some())
}

/// Whether plans spell paths like this.
fn is_normal(text: &str) -> bool {
    FsPath::parse(text).is_ok_and(|path| path.as_str() == text)
}

/// Since midnight, of `HH:MM`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?)
}
