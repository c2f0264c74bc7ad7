//! Two sets compared over the actions of the home, or over those that ship.

use latchgate_monitor::policy::compare::{Comparison, compare};

use super::sets::{self, PolicyToolError, SetName};
use crate::home::places::Places;

/// # Errors
/// A set that does not load, or is not there.
pub fn compared(places: &Places, old: &SetName, new: &SetName) -> Result<Comparison, PolicyToolError> {
    let actions = sets::actions(places)?;
    let (old, new) = (sets::sources(old, places)?, sets::sources(new, places)?);
    compare(&old, &new, &actions)
        .map_err(|errors| PolicyToolError::Problems(errors.iter().map(ToString::to_string).collect()))
}
