//! The agent's sandbox: each way out works on the machine, against stand-ins, and not from inside.

mod escapes;
mod exits;
mod life;
mod place;
