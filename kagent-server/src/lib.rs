//! The stock server: arguments, and the choice of what they are made of. Everything else is `kagent-core`.

pub mod args;
mod compose;
mod election;

pub use args::Args;
pub use compose::run;
