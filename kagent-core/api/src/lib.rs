//! Types of the kagent API: what users write, what runtimes read, what the wire carries. No I/O, no clock.

pub mod adk;
pub mod wire;
