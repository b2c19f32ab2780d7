//! What the end-to-end tests stand on: real programs, real databases, a scripted model, recorded answers.

pub mod adk;
pub mod model;
pub mod replay;
pub mod requirements;
pub mod server;
