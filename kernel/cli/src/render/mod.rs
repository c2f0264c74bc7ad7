//! What the gate says, as a person reads it. Pure: values in, text out.

pub mod approval;
pub mod arguments;
pub mod audit;
pub mod budgets;
pub mod compared;
pub mod content;
pub mod csv;
pub mod diff;
pub mod facts;
pub mod findings;
pub mod json;
pub mod log;
pub mod plan;
pub mod reach;
pub mod standing;
pub mod stats;
pub mod view;

#[cfg(test)]
pub fn stripped(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
