//! Stored objects, their keys, and what is said about changes of them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

use crate::{resource::text, status::ApiError};

/// Namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct ObjectKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectKey {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The key of an object by its metadata.
    pub(crate) fn of(object: &Value) -> Self {
        Self::new(
            text(object, &["metadata", "namespace"]),
            text(object, &["metadata", "name"]),
        )
    }
}

/// A stored object at one revision.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) value: Value,
    pub(crate) revision: u64,
    json: OnceLock<Bytes>,
}

impl Object {
    pub(super) fn new(value: Value, revision: u64) -> Self {
        Self {
            value,
            revision,
            json: OnceLock::new(),
        }
    }

    /// The object as JSON, made once.
    pub(crate) fn json(&self) -> &Bytes {
        self.json.get_or_init(|| Bytes::from(self.value.to_string()))
    }

    /// The same state under another revision.
    pub(crate) fn at_revision(&self, revision: u64) -> Self {
        let mut value = self.value.clone();
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        Self::new(value, revision)
    }

    pub(crate) fn uid(&self) -> &str {
        text(&self.value, &["metadata", "uid"])
    }
}

/// What happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    /// The state before, absent for a creation.
    pub(crate) before: Option<Arc<Object>>,
    /// The state after; of a deletion the last state, carrying the revision of the deletion.
    pub(crate) after: Arc<Object>,
    pub(crate) deleted: bool,
}

/// What the writer expects to find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expect {
    Absent,
    /// Exactly this revision.
    Revision(u64),
}

/// Why a write was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The object exists already, or was changed or deleted in the meantime.
    Unexpected,
    /// The namespace does not exist.
    NoNamespace,
    /// The namespace is going away.
    NamespaceTerminating,
    /// The journal could not be written.
    Failed(ApiError),
}

/// The resourceVersion of a stored object.
pub(crate) fn revision_of(value: &Value) -> u64 {
    text(value, &["metadata", "resourceVersion"])
        .parse()
        .unwrap_or_default()
}
