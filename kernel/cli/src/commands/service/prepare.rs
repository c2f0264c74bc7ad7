//! `service prepare`: what `service install` runs as the service's own user.

use clap::Args;
use latchgate_daemon::service_home::{self, FirstOperator};
use latchgate_daemon::{Logs, Places};

use super::layout::AccountName;
use crate::exit::{Exit, Failure};

/// Make what is missing in the home of a service
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate service prepare --group latchgate-agents")]
pub struct Prepare {
    /// The group whose members may call
    #[arg(long, value_name = "NAME")]
    group: AccountName,
    /// Make no key
    #[arg(long)]
    without_operator: bool,
}

impl Prepare {
    pub fn run(self) -> Result<Exit, Failure> {
        latchgate_daemon::install(Logs::Watched).map_err(|error| Failure::new(Exit::Failed, error))?;
        let operator = if self.without_operator { FirstOperator::LeftOut } else { FirstOperator::Made };
        // Named by the environment, and no other: not that of a service which is there already.
        let places = Places::find().map_err(|error| Failure::usage(error.to_string()))?;
        service_home::prepare(&places, self.group.as_str(), operator)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Exit::Done)
    }
}
