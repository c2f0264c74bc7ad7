//! What a setting is: a row that can be read, shown and described.

use serde_json::Value;

use super::Config;
use super::kind::Raw;

/// A table of `latchgate.toml`.
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
}

/// One setting: of the configuration, or of each table of a list.
pub struct Row<C: 'static = Config> {
    pub table: &'static str,
    pub member: &'static str,
    /// One line.
    pub meaning: &'static str,
    /// Puts a written value into the configuration; false if it is not of the row's kind.
    pub take: fn(&mut C, &Raw) -> bool,
    /// The value as a person would write it; null where there is none.
    pub shown: fn(&C) -> Value,
    /// What a value must be, in words.
    pub expects: fn() -> String,
    /// What a value may look like, for settings that have none by default.
    pub example: fn() -> Option<Value>,
    /// What goes where nothing is set.
    pub absent: fn() -> Option<&'static str>,
    /// Whether an error keeps to itself what was written.
    pub hides: fn() -> bool,
}

impl Row {
    /// `LATCHGATE_<TABLE>_<MEMBER>`.
    pub fn variable(&self) -> String {
        format!("LATCHGATE_{}_{}", self.table, self.member).to_uppercase()
    }
}

impl<C> Row<C> {
    /// `table.member`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.table, self.member)
    }

    /// What is wrong with a value of this row, wherever it was written.
    pub fn problem(&self, raw: &Raw) -> String {
        let told = if (self.hides)() { "not shown here".to_owned() } else { raw.told() };
        format!("is {told}, expected {}", self.expected())
    }

    /// What a value must be, with an example if the row has one.
    pub fn expected(&self) -> String {
        match (self.example)() {
            Some(Value::String(example)) => format!("{}, such as {example}", (self.expects)()),
            _ => (self.expects)(),
        }
    }
}

/// Makes the configuration's types, their defaults and the rows, out of one description.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $table:ident: $Table:ident {
            $( $(#[doc = $meaning:literal])+ $member:ident: $type:ty = $default:expr, $kind:expr; )+
        }
    )+) => {
        /// The resolved configuration.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $( $(#[doc = $about])+ pub $table: $Table, )+
            /// Receivers of notifications.
            pub notify: Vec<NotifySettings>,
        }
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Table {
                $( $(#[doc = $meaning])+ pub $member: $type, )+
            }
        )+
        impl Default for Config {
            fn default() -> Self {
                Self { $( $table: $Table { $( $member: $default, )+ }, )+ notify: Vec::new() }
            }
        }
        static TABLES: &[Table] = &[$( Table { name: stringify!($table), about: concat!($($about),+) } ),+];
        static ROWS: &[Row] = &[$($(
            Row {
                table: stringify!($table),
                member: stringify!($member),
                meaning: concat!($($meaning),+),
                take: |config, raw| {
                    let value = $kind.read(raw);
                    value.map(|value| config.$table.$member = value).is_some()
                },
                shown: |config| $kind.shown(&config.$table.$member),
                expects: || $kind.expects(),
                example: || $kind.example(),
                absent: || $kind.absent(),
                hides: || $kind.hides(),
            }
        ),+),+];
    };
}
pub(super) use settings;

/// Makes the type of a list's tables, their defaults and rows.
macro_rules! listed {
    (
        $(#[doc = $about:literal])+
        $table:ident: $Table:ident {
            $( $(#[doc = $meaning:literal])+ $member:ident: $type:ty = $default:expr, $kind:expr; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Table {
            $( $(#[doc = $meaning])+ pub $member: $type, )+
        }
        impl Default for $Table {
            fn default() -> Self {
                Self { $( $member: $default, )+ }
            }
        }
        pub static LIST: $crate::config::table::Table =
            $crate::config::table::Table { name: stringify!($table), about: concat!($($about),+) };
        pub static LIST_ROWS: &[Row<$Table>] = &[$(
            Row {
                table: stringify!($table),
                member: stringify!($member),
                meaning: concat!($($meaning),+),
                take: |table, raw| {
                    let value = $kind.read(raw);
                    value.map(|value| table.$member = value).is_some()
                },
                shown: |table| $kind.shown(&table.$member),
                expects: || $kind.expects(),
                example: || $kind.example(),
                absent: || $kind.absent(),
                hides: || $kind.hides(),
            }
        ),+];
    };
}
pub(super) use listed;
