//! What a setting is: a row that can be read, shown and described.

use serde_json::Value;

use super::Config;
use super::kind::Raw;

/// A table of `latchgate.toml`.
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
}

/// One setting.
pub struct Row {
    pub table: &'static str,
    pub member: &'static str,
    /// One line.
    pub meaning: &'static str,
    /// Puts a written value into the configuration; false if it is not of the row's kind.
    pub take: fn(&mut Config, &Raw) -> bool,
    /// The value as a person would write it; null where there is none.
    pub shown: fn(&Config) -> Value,
    /// What a value must be, in words.
    pub expects: fn() -> String,
    /// What a value may look like, for settings that have none by default.
    pub example: fn() -> Option<Value>,
    /// What goes where nothing is set.
    pub absent: fn() -> Option<&'static str>,
}

impl Row {
    /// `table.member`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.table, self.member)
    }

    /// `LATCHGATE_<TABLE>_<MEMBER>`.
    pub fn variable(&self) -> String {
        format!("LATCHGATE_{}_{}", self.table, self.member).to_uppercase()
    }

    /// What is wrong with a value of this row, wherever it was written.
    pub fn problem(&self, raw: &Raw) -> String {
        format!("is {}, expected {}", raw.told(), self.expected())
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
                Self { $( $table: $Table { $( $member: $default, )+ }, )+ }
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
            }
        ),+),+];
    };
}
pub(super) use settings;
