//! All objects in memory: by kind, namespace and name, under one rising resourceVersion, with a bounded history.
//!
//! Watchers pull from the history, so that a slow one costs nothing and can hold nobody up: once it has fallen out
//! of the history it is told so (410) and starts again. Each change goes to the journal before anyone sees it.

mod object;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    persist::Journal,
    resource::{Registry, Resource, ResourceId},
    status::{ApiError, ApiResult},
};

pub(crate) use object::{Change, Expect, Object, ObjectKey, Refused, revision_of};

#[derive(Debug)]
struct Kind {
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    history: VecDeque<Change>,
    /// Changes after this revision are in the history.
    floor: u64,
    latest: watch::Sender<u64>,
}

impl Kind {
    fn new(floor: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            floor,
            latest: watch::Sender::new(floor),
        }
    }
}

#[derive(Debug)]
struct State {
    revision: u64,
    kinds: HashMap<ResourceId, Kind>,
    journal: Option<Journal>,
}

/// The objects, the kinds and the history.
#[derive(Debug)]
pub(crate) struct Storage {
    state: Mutex<State>,
    registry: RwLock<Arc<Registry>>,
    history_limit: usize,
}

/// A look at a kind at one revision.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Object>>,
}

impl Storage {
    /// A storage with the built-in kinds. What the journal held is put back by [`Storage::restore`].
    pub(crate) fn new(history_limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                revision: 1,
                kinds: HashMap::new(),
                journal: None,
            }),
            registry: RwLock::new(Arc::new(Registry::builtin())),
            history_limit,
        }
    }

    /// Puts back what a journal held and writes to it from now on.
    pub(crate) fn restore(&self, journal: Journal, revision: u64, objects: Vec<(ResourceId, Value)>) {
        let mut state = self.state.lock();
        state.revision = revision.max(1);
        for (id, value) in objects {
            let revision = revision_of(&value);
            let floor = state.revision;
            let kind = state.kinds.entry(id).or_insert_with(|| Kind::new(floor));
            kind.objects
                .insert(ObjectKey::of(&value), Arc::new(Object::new(value, revision)));
        }
        state.journal = Some(journal);
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    /// Changes the set of kinds.
    pub(crate) fn update_registry(&self, change: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.write();
        let mut next = (**registry).clone();
        change(&mut next);
        *registry = Arc::new(next);
    }

    pub(crate) fn find(&self, id: &ResourceId, key: &ObjectKey) -> Option<Arc<Object>> {
        self.state.lock().kinds.get(id)?.objects.get(key).cloned()
    }

    /// All objects of a kind, in one namespace or everywhere, sorted by namespace and name; now or as they were `at` a
    /// revision, `None` if the history does not reach back to it.
    pub(crate) fn snapshot(&self, id: &ResourceId, namespace: Option<&str>, at: Option<u64>) -> Option<Snapshot> {
        let state = self.state.lock();
        let revision = at.unwrap_or(state.revision);
        let Some(kind) = state.kinds.get(id) else {
            return Some(Snapshot {
                revision,
                objects: Vec::new(),
            });
        };
        let inside = |key: &ObjectKey| namespace.is_none_or(|namespace| key.namespace == namespace);
        let current = kind
            .objects
            .range(ObjectKey::new(namespace.unwrap_or_default(), "")..)
            .take_while(|(key, _)| inside(key));
        if revision == state.revision {
            let objects = current.map(|(_, object)| object.clone()).collect();
            return Some(Snapshot { revision, objects });
        }
        if revision < kind.floor || revision > state.revision {
            return None;
        }
        let mut then: BTreeMap<ObjectKey, Arc<Object>> =
            current.map(|(key, object)| (key.clone(), object.clone())).collect();
        for change in kind
            .history
            .iter()
            .rev()
            .take_while(|change| change.revision > revision)
        {
            let key = ObjectKey::of(&change.after.value);
            match &change.before {
                Some(before) if inside(&key) => then.insert(key, before.clone()),
                _ => then.remove(&key),
            };
        }
        Some(Snapshot {
            revision,
            objects: then.into_values().collect(),
        })
    }

    /// Objects of every kind that `wanted` accepts.
    pub(crate) fn select(&self, wanted: impl Fn(&ResourceId, &Object) -> bool) -> Vec<(ResourceId, Arc<Object>)> {
        let state = self.state.lock();
        let all = state
            .kinds
            .iter()
            .flat_map(|(id, kind)| kind.objects.values().map(move |object| (id, object)));
        all.filter(|(id, object)| wanted(id, object))
            .map(|(id, object)| (id.clone(), object.clone()))
            .collect()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state.lock().revision
    }

    /// Stores `value` with a new resourceVersion, if what is there is what the writer expects.
    pub(crate) fn put(&self, resource: &Resource, mut value: Value, expect: Expect) -> Result<Arc<Object>, Refused> {
        let id = resource.id();
        let key = ObjectKey::of(&value);
        let mut state = self.state.lock();
        let before = state.kinds.get(&id).and_then(|kind| kind.objects.get(&key)).cloned();
        match (expect, &before) {
            (Expect::Absent, None) => check_namespace(&state, resource, &key)?,
            (Expect::Revision(revision), Some(object)) if object.revision == revision => {}
            _ => return Err(Refused::Unexpected),
        }
        let revision = state.revision + 1;
        value["metadata"]["resourceVersion"] = json!(revision.to_string());
        value.sort_all_objects();
        let after = Arc::new(Object::new(value, revision));
        if let Some(journal) = &mut state.journal {
            journal.put(&id, revision, after.json()).map_err(Refused::Failed)?;
        }
        let change = Change {
            revision,
            before,
            after: after.clone(),
            deleted: false,
        };
        self.record(&mut state, id, key, change);
        Ok(after)
    }

    /// Removes an object, if it is still at `revision`. Its last state, with the revision of the deletion.
    pub(crate) fn remove(&self, id: &ResourceId, key: &ObjectKey, revision: u64) -> Result<Arc<Object>, Refused> {
        let mut state = self.state.lock();
        let before = state.kinds.get(id).and_then(|kind| kind.objects.get(key)).cloned();
        let Some(before) = before.filter(|object| object.revision == revision) else {
            return Err(Refused::Unexpected);
        };
        let revision = state.revision + 1;
        if let Some(journal) = &mut state.journal {
            journal.remove(id, revision, key).map_err(Refused::Failed)?;
        }
        let after = Arc::new(before.at_revision(revision));
        let change = Change {
            revision,
            before: Some(before),
            after: after.clone(),
            deleted: true,
        };
        self.record(&mut state, id.clone(), key.clone(), change);
        Ok(after)
    }

    fn record(&self, state: &mut State, id: ResourceId, key: ObjectKey, change: Change) {
        let floor = state.revision;
        state.revision = change.revision;
        let kind = state.kinds.entry(id).or_insert_with(|| Kind::new(floor));
        if change.deleted {
            kind.objects.remove(&key);
        } else {
            kind.objects.insert(key, change.after.clone());
        }
        let revision = change.revision;
        kind.history.push_back(change);
        while kind.history.len() > self.history_limit {
            if let Some(cut) = kind.history.pop_front() {
                kind.floor = cut.revision;
            }
        }
        kind.latest.send_replace(revision);
        if let Some(journal) = &mut state.journal
            && journal.wants_compaction()
        {
            let objects = state.kinds.iter().flat_map(|(id, kind)| {
                kind.objects
                    .values()
                    .map(move |object| (id, object.revision, object.json()))
            });
            if let Err(error) = journal.compact(state.revision, objects) {
                tracing::warn!(error = %error, "the state file could not be compacted; it keeps growing");
            }
        }
    }

    /// Tells of new revisions of a kind.
    pub(crate) fn subscribe(&self, id: &ResourceId) -> watch::Receiver<u64> {
        let mut state = self.state.lock();
        let floor = state.revision;
        let kind = state.kinds.entry(id.clone()).or_insert_with(|| Kind::new(floor));
        kind.latest.subscribe()
    }

    /// Up to `limit` changes of a kind after `revision`, oldest first, and the revision they bring the reader to.
    pub(crate) fn changes(&self, id: &ResourceId, revision: u64, limit: usize) -> ApiResult<(u64, Vec<Change>)> {
        let state = self.state.lock();
        let Some(kind) = state.kinds.get(id) else {
            return Ok((state.revision, Vec::new()));
        };
        if revision < kind.floor || revision > state.revision {
            return Err(ApiError::expired(format!(
                "too old resource version: {revision} ({})",
                kind.floor.max(state.revision.min(revision))
            )));
        }
        let start = kind.history.partition_point(|change| change.revision <= revision);
        let changes: Vec<Change> = kind.history.iter().skip(start).take(limit).cloned().collect();
        let complete = start + changes.len() == kind.history.len();
        let reached = if complete {
            state.revision
        } else {
            changes.last().map_or(revision, |change| change.revision)
        };
        Ok((reached, changes))
    }

    /// Ends the watches of a kind whose definition is gone, once they have read the history.
    pub(crate) fn end_watches(&self, id: &ResourceId) {
        if let Some(kind) = self.state.lock().kinds.get_mut(id) {
            let latest = *kind.latest.borrow();
            // Dropping the old sender tells its receivers.
            kind.latest = watch::Sender::new(latest);
        }
    }

    /// Writes the journal to the disk.
    pub(crate) fn sync(&self) -> ApiResult<()> {
        match &mut self.state.lock().journal {
            Some(journal) => journal.sync(),
            None => Ok(()),
        }
    }
}

fn check_namespace(state: &State, resource: &Resource, key: &ObjectKey) -> Result<(), Refused> {
    if !resource.namespaced {
        return Ok(());
    }
    let namespaces = ResourceId {
        group: String::new(),
        plural: "namespaces".to_owned(),
    };
    let namespace = state
        .kinds
        .get(&namespaces)
        .and_then(|kind| kind.objects.get(&ObjectKey::new("", &key.namespace)))
        .ok_or(Refused::NoNamespace)?;
    if namespace.value["metadata"]["deletionTimestamp"].is_string() {
        return Err(Refused::NamespaceTerminating);
    }
    Ok(())
}
