//! Types of the kagent API: what users write, what runtimes read, what the wire carries. No I/O, no clock.

#![warn(missing_docs)]

pub mod a2a;
pub mod adk;
pub mod crds;
mod schema;
pub mod v1alpha2;
pub mod wire;
