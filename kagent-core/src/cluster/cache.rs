//! Fills one cache per kind from one watch per namespace. An object that cannot be read is named in the log and costs
//! nobody else anything: the last good version of it stays.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    hash::Hash,
};

use futures::{StreamExt, stream};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use super::{
    WatchScope,
    permissions::Permission,
    sync::{Pending, SyncState},
};
use crate::{
    tasks::Tasks,
    translate::{ObjectKey, ObjectKind},
};

/// What all caches share.
pub(super) struct Cache {
    pub(super) client: Client,
    pub(super) scope: WatchScope,
    pub(super) sync: SyncState,
    pub(super) changes: broadcast::Sender<ObjectKey>,
}

impl Cache {
    /// Starts the watches of one kind.
    pub(super) fn start<K>(&self, name: &'static str, kind: ObjectKind, labels: Option<&str>, tasks: &Tasks) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K: Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        let namespaces: Vec<Option<String>> = match &self.scope {
            WatchScope::All => vec![None],
            WatchScope::Namespaces(namespaces) => namespaces.iter().cloned().map(Some).collect(),
        };
        let mut config = watcher::Config::default();
        if let Some(labels) = labels {
            config = config.labels(labels);
        }
        let scopes = namespaces.len();
        let events = stream::select_all(namespaces.into_iter().enumerate().map(|(scope, namespace)| {
            let api: Api<DeserializeGuard<K>> = match namespace {
                Some(namespace) => Api::namespaced(self.client.clone(), &namespace),
                None => Api::all(self.client.clone()),
            };
            kube::runtime::watcher(api, config.clone())
                .default_backoff()
                .map(move |event| (scope, event))
                .boxed()
        }));
        let filler = Filler {
            name,
            kind,
            store: store.clone(),
            writer,
            changes: self.changes.clone(),
            pending: Some(self.sync.register(name)),
            filling: HashMap::new(),
            unfilled: (0..scopes).collect(),
            members: HashMap::new(),
        };
        let shutdown = tasks.shutdown_token().clone();
        tasks.spawn_critical(name, async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = filler.run(events) => {}
            }
        });
        store
    }
}

/// Applies the events of all watches of one kind to its cache.
struct Filler<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    K::DynamicType: Hash + Eq,
{
    name: &'static str,
    kind: ObjectKind,
    store: Store<K>,
    writer: Writer<K>,
    changes: broadcast::Sender<ObjectKey>,
    pending: Option<Pending>,
    /// Watches that are being listed anew, with the names seen so far.
    filling: HashMap<usize, Listing<K>>,
    /// Watches that never were complete.
    unfilled: HashSet<usize>,
    /// The names that each watch has put into the cache.
    members: HashMap<usize, HashSet<ObjectRef<K>>>,
}

struct Listing<K: Resource<DynamicType = ()>> {
    objects: Vec<K>,
    seen: HashSet<ObjectRef<K>>,
}

impl<K> Filler<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    async fn run<S>(mut self, mut events: S)
    where
        S: futures::Stream<Item = (usize, watcher::Result<Event<DeserializeGuard<K>>>)> + Unpin,
    {
        while let Some((scope, event)) = events.next().await {
            match event {
                Ok(event) => self.apply(scope, event),
                Err(error) => self.interrupted(&crate::error::chain(&error)),
            }
        }
    }

    fn interrupted(&self, error: &str) {
        if Permission::from_refusal(error).is_some() {
            // It is told where it is noticed, once.
            tracing::debug!(watch = self.name, error, "watch refused, trying again");
        } else {
            tracing::warn!(watch = self.name, error, "watch interrupted, trying again");
        }
    }

    fn apply(&mut self, scope: usize, event: Event<DeserializeGuard<K>>) {
        match event {
            Event::Init => {
                self.filling.insert(
                    scope,
                    Listing {
                        objects: Vec::new(),
                        seen: HashSet::new(),
                    },
                );
            }
            Event::InitApply(object) => {
                let (reference, object) = self.open(object);
                if let Some(listing) = self.filling.get_mut(&scope) {
                    listing.seen.insert(reference);
                    listing.objects.extend(object);
                }
            }
            Event::InitDone => self.finish_listing(scope),
            Event::Apply(object) => {
                let (reference, object) = self.open(object);
                if let Some(object) = object {
                    self.members.entry(scope).or_default().insert(reference);
                    self.write(object);
                }
            }
            Event::Delete(object) => {
                let reference = match &object.0 {
                    Ok(object) => ObjectRef::from_obj(object),
                    Err(invalid) => reference_of(&invalid.metadata),
                };
                self.remove(scope, &reference);
            }
        }
    }

    /// The object's name, and the object if it can be read.
    fn open(&self, object: DeserializeGuard<K>) -> (ObjectRef<K>, Option<K>) {
        match object.0 {
            Ok(object) => (ObjectRef::from_obj(&object), Some(object)),
            Err(invalid) => {
                let reference = reference_of(&invalid.metadata);
                tracing::warn!(
                    watch = self.name,
                    object = %reference,
                    error = invalid.error,
                    "object cannot be read, its last good version stays"
                );
                (reference, None)
            }
        }
    }

    /// A list is complete: what it lacks is gone. An unreadable object is not gone.
    fn finish_listing(&mut self, scope: usize) {
        let Some(listing) = self.filling.remove(&scope) else {
            return;
        };
        let members = self.members.entry(scope).or_default();
        let gone: Vec<_> = members.difference(&listing.seen).cloned().collect();
        members.extend(listing.objects.iter().map(ObjectRef::from_obj));
        for object in listing.objects {
            self.write(object);
        }
        for reference in gone {
            self.remove(scope, &reference);
        }
        self.unfilled.remove(&scope);
        if self.unfilled.is_empty() && self.pending.is_some() {
            self.mark_ready();
        }
    }

    /// The store counts as ready after a complete list of its own, which here is the sum of all watches.
    fn mark_ready(&mut self) {
        self.writer.apply_watcher_event(&Event::Init);
        for object in self.store.state() {
            self.writer.apply_watcher_event(&Event::InitApply(K::clone(&object)));
        }
        self.writer.apply_watcher_event(&Event::InitDone);
        self.pending = None;
        tracing::debug!(watch = self.name, objects = self.store.len(), "cache filled");
    }

    fn write(&mut self, object: K) {
        let key = self.key(&ObjectRef::from_obj(&object));
        self.writer.apply_watcher_event(&Event::Apply(object));
        self.announce(key);
    }

    fn remove(&mut self, scope: usize, reference: &ObjectRef<K>) {
        self.members.entry(scope).or_default().remove(reference);
        let Some(object) = self.store.get(reference) else {
            return;
        };
        self.writer.apply_watcher_event(&Event::Delete(K::clone(&object)));
        self.announce(self.key(reference));
    }

    fn key(&self, reference: &ObjectRef<K>) -> ObjectKey {
        ObjectKey::new(
            self.kind,
            reference.namespace.clone().unwrap_or_default(),
            reference.name.clone(),
        )
    }

    fn announce(&self, key: ObjectKey) {
        // Nobody listens on a follower.
        let _ = self.changes.send(key);
    }
}

fn reference_of<K: Resource<DynamicType = ()>>(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> ObjectRef<K> {
    let mut reference = ObjectRef::new(metadata.name.as_deref().unwrap_or_default());
    reference.namespace.clone_from(&metadata.namespace);
    reference
}

#[cfg(test)]
mod tests {
    use kagent_api::v1alpha2::Agent;
    use kube::core::error_boundary::InvalidObject;

    use super::*;

    fn mk_agent(namespace: &str, name: &str, description: &str) -> Agent {
        let mut agent = Agent::default();
        agent.metadata.namespace = Some(namespace.to_owned());
        agent.metadata.name = Some(name.to_owned());
        agent.spec.description = Some(description.to_owned());
        agent
    }

    fn readable(agent: Agent) -> DeserializeGuard<Agent> {
        DeserializeGuard(Ok(agent))
    }

    fn unreadable(namespace: &str, name: &str) -> DeserializeGuard<Agent> {
        DeserializeGuard(Err(InvalidObject {
            error: "spec: expected an object".to_owned(),
            metadata: mk_agent(namespace, name, "").metadata,
        }))
    }

    /// A cache of two watches.
    fn mk_filler(sync: &SyncState) -> Filler<Agent> {
        let (store, writer) = reflector::store();
        Filler {
            name: "agents",
            kind: ObjectKind::Agent,
            store,
            writer,
            changes: broadcast::channel(16).0,
            pending: Some(sync.register("agents")),
            filling: HashMap::new(),
            unfilled: HashSet::from([0, 1]),
            members: HashMap::new(),
        }
    }

    fn list(filler: &mut Filler<Agent>, scope: usize, objects: Vec<DeserializeGuard<Agent>>) {
        filler.apply(scope, Event::Init);
        for object in objects {
            filler.apply(scope, Event::InitApply(object));
        }
        filler.apply(scope, Event::InitDone);
    }

    fn names(filler: &Filler<Agent>) -> Vec<String> {
        let mut names: Vec<_> = filler
            .store
            .state()
            .iter()
            .map(|agent| ObjectRef::from_obj(&**agent).to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_cache_is_complete_when_all_watches_are() {
        let sync = SyncState::default();
        let mut filler = mk_filler(&sync);
        list(&mut filler, 0, vec![readable(mk_agent("a", "one", ""))]);
        assert_eq!(sync.pending(), ["agents"]);
        list(&mut filler, 1, vec![readable(mk_agent("b", "two", ""))]);
        assert!(sync.pending().is_empty());
        assert_eq!(filler.store.len(), 2);
    }

    #[test]
    fn a_new_list_of_one_watch_removes_only_its_own_objects() {
        let mut filler = mk_filler(&SyncState::default());
        list(&mut filler, 0, vec![readable(mk_agent("a", "one", ""))]);
        list(&mut filler, 1, vec![readable(mk_agent("b", "two", ""))]);
        list(&mut filler, 0, vec![]);
        assert_eq!(filler.store.len(), 1, "{:?}", names(&filler));
        assert!(filler.store.get(&ObjectRef::new("two").within("b")).is_some());
    }

    #[test]
    fn an_unreadable_object_keeps_its_last_good_version_and_disturbs_no_other() {
        let mut filler = mk_filler(&SyncState::default());
        let one = ObjectRef::new("one").within("a");
        list(&mut filler, 0, vec![readable(mk_agent("a", "one", "good"))]);
        filler.apply(0, Event::Apply(unreadable("a", "one")));
        filler.apply(0, Event::Apply(unreadable("a", "never-good")));
        filler.apply(0, Event::Apply(readable(mk_agent("a", "three", ""))));
        list(
            &mut filler,
            0,
            vec![unreadable("a", "one"), readable(mk_agent("a", "three", ""))],
        );
        let kept = filler.store.get(&one).expect("the last good version");
        assert_eq!(kept.spec.description.as_deref(), Some("good"));
        assert_eq!(filler.store.len(), 2, "{:?}", names(&filler));
        filler.apply(0, Event::Delete(unreadable("a", "one")));
        assert!(filler.store.get(&one).is_none());
    }
}
