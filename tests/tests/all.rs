//! End-to-end tests of the built programs, as one test binary; each module is a scenario.

#[path = "all/adk.rs"]
mod adk;
#[path = "all/processes.rs"]
mod processes;
#[path = "all/quickstart.rs"]
mod quickstart;
