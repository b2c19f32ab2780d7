//! tests.
pub mod replay;
