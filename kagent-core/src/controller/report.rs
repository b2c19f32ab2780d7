//! One log line per result of a reconcile. Failures are logged here and nowhere else.

use crate::{cluster::Permission, error::Error};

/// What became of an object.
pub(super) struct Outcome<'a> {
    /// `Agent` or another kind.
    pub(super) kind: &'static str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// What was written, status included; empty when nothing had changed.
    pub(super) written: &'a [String],
}

impl Outcome<'_> {
    /// It is what it should be.
    pub(super) fn reconciled(&self) {
        let Self {
            kind, namespace, name, ..
        } = self;
        if self.written.is_empty() {
            tracing::debug!(kind, namespace, name, "nothing to do");
        } else {
            tracing::info!(kind, namespace, name, written = %self.written.join(", "), "reconciled");
        }
    }

    /// Its author has to change something.
    pub(super) fn refused(&self, reason: &str) {
        let Self {
            kind, namespace, name, ..
        } = self;
        if self.written.is_empty() {
            tracing::debug!(kind, namespace, name, reason, "refused as before");
        } else {
            tracing::warn!(kind, namespace, name, reason, "refused");
        }
    }

    /// It is tried again.
    pub(super) fn failed(&self, error: &Error) {
        let Self {
            kind, namespace, name, ..
        } = self;
        let error = error.chain();
        if Permission::from_refusal(&error).is_some() {
            // `cluster` has told of the permission, and the object's conditions do.
            tracing::debug!(kind, namespace, name, error, "refused by the API server, trying again");
        } else {
            tracing::warn!(kind, namespace, name, error, "failed, trying again");
        }
    }
}
