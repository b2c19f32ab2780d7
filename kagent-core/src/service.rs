//! What the API means: checks, ownership, and which store or cluster calls make up a request. Knows no HTTP type; this is
//! also the programmatic API for embedders.
//!
//! Error texts begin with the words that the Go controller uses (UIs show them). Causes inside the server are kept for
//! the log only.

pub mod agents;
pub mod events;
mod names;
pub mod namespaces;
pub mod sessions;
pub mod tasks;

use crate::error::{Error, ErrorKind, Result};

/// What clients read of an error of the store or the cluster: `message` alone. That it may go away by itself stays known.
fn hide(message: &str, error: Error) -> Error {
    let kind = match error.kind() {
        ErrorKind::Unavailable => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, message).with_source(error)
}

/// Refuses U+0000, which text columns of Postgres cannot hold.
fn refuse_nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(format!("{what} must not contain the character U+0000")));
    }
    Ok(())
}
