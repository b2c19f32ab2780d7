//! End-to-end tests of the built programs, as one test binary; each module is a scenario.

#[path = "all/adk.rs"]
mod adk;
#[path = "all/kubectl.rs"]
mod kubectl;
#[path = "all/openapi_coverage.rs"]
mod openapi_coverage;
#[path = "all/processes.rs"]
mod processes;
#[path = "all/quickstart.rs"]
mod quickstart;
#[path = "all/replicas.rs"]
mod replicas;
#[path = "all/rest_replay.rs"]
mod rest_replay;
