//! Watches: a stream of JSON lines that follows the history of one kind. A reader that falls behind is told 410.
//!
//! The stream pulls, so the server does nothing for a reader that does not read.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, Target},
    form::Form,
    list::ListOptions,
    selector::Selector,
    status::{ApiError, ApiResult},
    storage::{Change, Object},
};

/// How often a quiet watch gets a bookmark, if it asked for them.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// Changes that are written out at once.
const BATCH: usize = 128;
/// Bytes of the initial list that are written out at once.
const CHUNK: usize = 64 << 10;

/// The query of a watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    pub(crate) resource_version: String,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: Option<bool>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) form: Form,
}

struct Watch {
    core: Arc<Core>,
    target: Target,
    options: WatchOptions,
    /// Everything up to this revision was sent.
    reached: u64,
    latest: tokio::sync::watch::Receiver<u64>,
    initial: VecDeque<Arc<Object>>,
    /// The bookmark after the initial events is still to be sent.
    marks_initial_end: bool,
    deadline: Instant,
    next_bookmark: Instant,
    stopped: CancellationToken,
    kind_gone: bool,
    /// A table has been sent, with its columns.
    told_columns: bool,
    ended: bool,
}

/// Starts a watch. Each item of the stream is one or more whole lines.
///
/// # Errors
/// 504 if the revision that the initial events are to be of has not been reached.
pub(crate) fn watch(
    core: &Arc<Core>,
    target: Target,
    options: WatchOptions,
    stopped: CancellationToken,
) -> ApiResult<impl Stream<Item = Bytes> + Send + 'static> {
    let latest = core.storage.subscribe(&target.resource.id());
    let wants_initial = options
        .initial_events
        .unwrap_or(matches!(options.resource_version.as_str(), "" | "0"));
    let (reached, initial) = if wants_initial {
        let list = ListOptions {
            selector: options.selector.clone(),
            resource_version: if options.resource_version == "0" {
                String::new()
            } else {
                options.resource_version.clone()
            },
            version_match: "NotOlderThan".to_owned(),
            ..ListOptions::default()
        };
        let page = core.list(&target, &list)?;
        (page.revision, VecDeque::from(page.objects))
    } else if matches!(options.resource_version.as_str(), "" | "0") {
        (core.storage.revision(), VecDeque::new())
    } else {
        let revision = options
            .resource_version
            .parse()
            .map_err(|_| ApiError::bad_request(format!("invalid resource version {:?}", options.resource_version)))?;
        (revision, VecDeque::new())
    };
    let now = Instant::now();
    let watch = Watch {
        marks_initial_end: options.initial_events == Some(true) && options.bookmarks,
        deadline: now + options.timeout.unwrap_or(DEFAULT_TIMEOUT),
        next_bookmark: now + BOOKMARK_EVERY,
        core: core.clone(),
        target,
        options,
        reached,
        latest,
        initial,
        stopped,
        kind_gone: false,
        told_columns: false,
        ended: false,
    };
    Ok(futures::stream::unfold(watch, |mut watch| async move {
        let lines = watch.next_lines().await?;
        Some((lines, watch))
    }))
}

impl Watch {
    async fn next_lines(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if !self.initial.is_empty() {
            return Some(self.initial_lines());
        }
        if std::mem::take(&mut self.marks_initial_end) {
            return Some(self.bookmark(true));
        }
        loop {
            // Seen before the history is read, so that no change is missed in between.
            self.latest.borrow_and_update();
            match self
                .core
                .storage
                .changes(&self.target.resource.id(), self.reached, BATCH)
            {
                Ok((reached, changes)) => {
                    self.reached = reached;
                    let lines = self.change_lines(&changes);
                    if !lines.is_empty() {
                        return Some(lines);
                    }
                    if changes.len() == BATCH {
                        continue;
                    }
                    if self.kind_gone {
                        return None;
                    }
                }
                Err(error) => {
                    self.ended = true;
                    return Some(line("ERROR", error.to_value().to_string().as_bytes()));
                }
            }
            let bookmark_at = if self.options.bookmarks {
                self.next_bookmark
            } else {
                self.deadline
            };
            tokio::select! {
                // The kind is gone: read what is left of its history, then end.
                changed = self.latest.changed() => self.kind_gone = changed.is_err(),
                () = self.stopped.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                () = tokio::time::sleep_until(bookmark_at), if self.options.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    return Some(self.bookmark(false));
                }
            }
        }
    }

    fn initial_lines(&mut self) -> Bytes {
        let mut lines = BytesMut::new();
        while lines.len() < CHUNK
            && let Some(object) = self.initial.pop_front()
        {
            let json = self.event_json(&object);
            lines.extend_from_slice(&line("ADDED", &json));
        }
        lines.freeze()
    }

    fn change_lines(&mut self, changes: &[Change]) -> Bytes {
        let mut lines = BytesMut::new();
        for change in changes {
            if let Some(kind) = self.event_type(change) {
                let left = kind == "DELETED" && !change.deleted;
                let json = match &change.before {
                    // It is not selected any more: the state that was, with the revision of the change.
                    Some(before) if left => self.event_json(&before.at_revision(change.revision)),
                    _ => self.event_json(&change.after),
                };
                lines.extend_from_slice(&line(kind, &json));
            }
        }
        lines.freeze()
    }

    /// What a change is to a reader who sees only what the selector selects.
    fn event_type(&self, change: &Change) -> Option<&'static str> {
        let namespace = crate::resource::text(&change.after.value, &["metadata", "namespace"]);
        if !self.target.namespace.is_empty() && namespace != self.target.namespace {
            return None;
        }
        let selector = &self.options.selector;
        let before = change
            .before
            .as_ref()
            .is_some_and(|object| selector.matches(&object.value));
        let after = !change.deleted && selector.matches(&change.after.value);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn event_json(&mut self, object: &Object) -> Bytes {
        let first = !std::mem::replace(&mut self.told_columns, true);
        self.options.form.event(&self.core.clock, &self.target, object, first)
    }

    fn bookmark(&mut self, initial_end: bool) -> Bytes {
        let (kind, api_version) = if self.options.form == Form::Metadata {
            ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned())
        } else {
            (self.target.resource.kind.as_str(), self.target.api_version())
        };
        let mut metadata: Value = json!({ "resourceVersion": self.reached.to_string(), "creationTimestamp": null });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        let object = match self.options.form {
            Form::Table(_) => {
                let first = !std::mem::replace(&mut self.told_columns, true);
                self.options
                    .form
                    .table_of_one(&self.core.clock, &self.target, &object, first)
            }
            _ => object,
        };
        line("BOOKMARK", object.to_string().as_bytes())
    }
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + 40);
    line.extend_from_slice(b"{\"type\":\"");
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    line.freeze()
}
