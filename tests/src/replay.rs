//! Replays of recorded answers: one runner per area of recordings, one list of deviations that are meant.

pub mod a2a;
pub mod areas;
pub mod meant;
pub mod rendered;
pub mod rest;
pub mod server;
