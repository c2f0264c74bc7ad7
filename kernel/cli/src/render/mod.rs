//! What the gate says, as a person reads it. Pure: values in, text out.

pub mod approval;
pub mod audit;
pub mod budgets;
pub mod content;
pub mod csv;
pub mod facts;
pub mod findings;
pub mod log;
pub mod plan;
pub mod stats;

#[cfg(test)]
pub fn stripped(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
