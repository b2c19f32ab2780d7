//! The ways of Go's standard library that clients of kagent can see: how JSON is read and written, and how times,
//! durations and queries are parsed. Pure; knows nothing of kagent.
//!
//! Why not serde alone: its errors, its refusal of lone surrogates and trailing bytes, and its number types differ from
//! what recorded answers contain. Numbers keep their digits here.

mod decode;
mod duration;
mod json;
mod query;
mod scan;
mod time;

pub use decode::Fields;
pub use duration::parse_duration;
pub use json::{Json, escape_html};
pub use query::{Query, decode_component};
pub use scan::parse_first;
pub use time::{TimeLayout, parse_time};
