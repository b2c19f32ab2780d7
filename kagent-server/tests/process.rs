//! The real program, started: readiness, signals, exit codes, and agents as processes. Everything on loopback.

#[path = "process/agents.rs"]
mod agents;
#[path = "process/lifecycle.rs"]
mod lifecycle;
#[path = "process/manifests.rs"]
mod manifests;
#[path = "process/server.rs"]
mod server;
