//! `LATCHGATE_<TABLE>_<MEMBER>`: settings in the environment.
//!
//! Variables of no table, such as `LATCHGATE_HOME`, are no settings and not looked at here.

use std::ffi::OsString;

use super::kind::Raw;
use super::nearest::nearest;
use super::table::Row;
use super::{ROWS, TABLES};

/// The variables that could be settings. An empty one is as good as none.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(String, Option<String>)>);

impl Environment {
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// A value that is no text is kept as a problem to tell.
    pub fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let ours = named.filter(|(name, value)| is_of_a_table(name) && !value.is_empty());
        let mut ours: Vec<_> = ours.map(|(name, value)| (name, value.into_string().ok())).collect();
        ours.sort();
        Self(ours)
    }

    /// The settings it names with the variable of each, and what is wrong with it.
    pub fn read(&self) -> (Vec<(&'static Row, Raw)>, Vec<String>) {
        let (mut written, mut problems) = (Vec::new(), Vec::new());
        for (name, value) in &self.0 {
            match (ROWS.iter().find(|row| row.variable() == *name), value) {
                (Some(row), Some(value)) => written.push((row, Raw::Spelled(value.clone()))),
                (Some(_), None) => problems.push(format!("{name} is no text")),
                (None, _) => problems.push(unknown(name)),
            }
        }
        (written, problems)
    }
}

fn is_of_a_table(name: &str) -> bool {
    let rest = name.strip_prefix("LATCHGATE_");
    rest.and_then(|rest| rest.split_once('_'))
        .is_some_and(|(table, _)| TABLES.iter().any(|known| known.name.eq_ignore_ascii_case(table)))
}

fn unknown(name: &str) -> String {
    let names: Vec<String> = ROWS.iter().map(Row::variable).collect();
    let meant = nearest(name, names.iter().map(String::as_str)).unwrap_or_default();
    format!("{name} in the environment is no setting; the nearest is {meant}")
}
