//! What the end-to-end tests stand on: real programs, real databases, a scripted model, recorded answers.
//! Besides, the generators and runners behind `cargo xtask`.

pub mod adk;
pub mod conformance;
pub mod db;
pub mod generate;
pub mod model;
pub mod plane;
pub mod replay;
pub mod replicas;
pub mod requirements;
pub mod server;
