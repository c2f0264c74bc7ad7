//! `approvals watch`: what waits, as it comes, decided with a key.

mod gate;
mod page;
mod screen;
mod state;

use clap::Args;
use latchgate_client::OperatorClient;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::terminal::{Terminal, keys};
use crate::when;
use gate::{Gate, Told};
use state::{Act, Watch as State};

const HELP: &str = "\
Example:
  latchgate approvals watch

Keys:
  a  approve what is on the screen       s  approve it and calls like it in its session
  d  deny it, with a reason              b  approve all that wait with its action, principal and target
  n  next     p  previous                v  lines that stay as they are, too
  space, up, down: read on               q  quit

A call is approved only after all of it was on the screen.";

/// How long a terminal that was given back may take until the shell has stopped us.
const STOPPED_WITHIN: std::time::Duration = std::time::Duration::from_millis(500);

/// Watch calls come, and decide them with a key
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Watch {
    /// Stay silent when a call comes
    #[arg(long)]
    no_bell: bool,
}

/// What ends or interrupts us.
struct Signals {
    resized: Signal,
    continued: Signal,
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Watch {
    pub async fn run(self, operator: OperatorClient, console: &Console) -> Result<Exit, Failure> {
        if !Terminal::is_there() || console.is_json() {
            return Err(Failure::usage(
                "`approvals watch` needs a terminal to show calls on and to read keys from",
            )
            .remedy(
                "`latchgate approvals list` prints what waits; `latchgate approvals approve ID` decides",
            ));
        }
        // What keeps the gate from answering is said before the screen is taken.
        let pending = operator.approvals(Some("pending")).await?;
        let mut state =
            State::new(operator.name(), pending.approvals.iter().map(|a| a.approval_id).collect());
        let (gate, told) = Gate::watch(operator);
        let terminal = Terminal::take()?;
        let watched = self.watch(&terminal, &mut state, &gate, told).await;
        drop(terminal);
        watched
    }

    async fn watch(
        &self,
        terminal: &Terminal,
        state: &mut State,
        gate: &Gate,
        mut told: tokio::sync::mpsc::UnboundedReceiver<Told>,
    ) -> Result<Exit, Failure> {
        let mut signals = Signals::listen()?;
        let mut keys = keys::read();
        loop {
            terminal.draw(&screen::frame(state, terminal.size(), when::now()))?;
            let act = tokio::select! {
                pressed = keys.recv() => match pressed {
                    Some(pressed) => state.pressed(&pressed),
                    None => return Ok(Exit::Done),
                },
                news = told.recv() => match news {
                    Some(news) => state.told(news),
                    None => return Ok(Exit::Done),
                },
                _ = signals.resized.recv() => Act::Nothing,
                _ = signals.continued.recv() => {
                    terminal.resume()?;
                    Act::Nothing
                }
                _ = signals.terminate.recv() => return Ok(Exit::Done),
                _ = signals.hangup.recv() => return Ok(Exit::Done),
                _ = signals.interrupt.recv() => return Ok(Exit::Done),
            };
            match act {
                Act::Nothing => {}
                Act::Quit => return Ok(Exit::Done),
                Act::Suspend => signals.suspend(terminal).await?,
                Act::Show(id) => gate.show(id),
                Act::Gather(ids) => gate.gather(ids),
                Act::Decide(decisions) => gate.decide(decisions),
            }
            if state.take_arrived() && !self.no_bell {
                terminal.bell()?;
            }
        }
    }
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Stops, as Ctrl-Z asks, with the terminal as it was before; goes on when the shell says so. Where no shell can stop
    /// us, nothing happens.
    async fn suspend(&mut self, terminal: &Terminal) -> Result<(), Failure> {
        terminal.release();
        let group = rustix::process::Signal::TSTP;
        rustix::process::kill_current_process_group(group).map_err(std::io::Error::from)?;
        let _stopped_or_not = tokio::time::timeout(STOPPED_WITHIN, self.continued.recv()).await;
        Ok(terminal.resume()?)
    }
}
