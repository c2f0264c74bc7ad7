//! Chapter "Credentials": where a secret must arrive, where it must not, and that it comes back by no way.

mod arrival;
mod echoes;
mod elsewhere;
mod ground;
mod traces;
