//! Replays of recorded answers: one runner per area of recordings, one list of deviations that are meant.

pub mod a2a;
pub mod meant;
