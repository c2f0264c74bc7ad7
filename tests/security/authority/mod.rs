//! Chapter "Authority": what an agent may not do, grant itself, widen or outlive.
