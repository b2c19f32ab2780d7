//! Benchmarks that run our server and the alternative in one run: the parts that their programs share.
//!
//! Every part that must not share a process with what is measured (agent, proxy, load) is the benchmark's own program,
//! started again with a hidden subcommand.

pub mod agent;
pub mod go_controller;
pub mod load;
pub mod process;
pub mod proxy;
pub mod report;
pub mod server;
