//! Tasks between A2A 0.3 and 1.0: two wire shapes, one model in between. Pure: text in, text out.
//!
//! As lenient as the Go controller with what it accepts, and without its losses: file bytes, numbers, empty parts and
//! timestamps without a zone survive.

mod legacy;
mod task;
mod v1;

pub use legacy::{decode_task as decode_legacy_task, encode_task as encode_legacy_task};
pub use task::{Artifact, Content, Message, Part, Role, State, Status, Task, TaskError};
pub use v1::{decode_task as decode_v1_task, encode_task as encode_v1_task};
