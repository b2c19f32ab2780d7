//! Kubernetes Events about what goes wrong and what is well again: `kubectl describe` shows them. They are told once per
//! change, never on the way of a reconcile, and never when nothing happens.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kagent_api::v1alpha2::find_condition;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use crate::cluster::{apply::FIELD_MANAGER, fetch::within_deadline};

/// Events that wait for the API server; more than this are dropped, since they only repeat what statuses say.
const WAITING: usize = 256;
/// Longest note that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Takes events. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Events(mpsc::Sender<Told>);

#[derive(Debug)]
pub(super) struct Told {
    about: ObjectReference,
    kind: EventType,
    reason: String,
    note: String,
}

/// The two ends.
pub(super) fn channel() -> (Events, mpsc::Receiver<Told>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Events(sender), receiver)
}

impl Events {
    /// Something is wrong with `object`.
    pub(super) fn warn<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.send(object, EventType::Warning, reason, note);
    }

    /// Something is well again.
    pub(super) fn note<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.send(object, EventType::Normal, reason, note);
    }

    /// What became of the condition `type_` between two statuses. That a new object works is no news.
    pub(super) fn tell_change<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: &str,
        before: Option<&[Condition]>,
        now: Option<&[Condition]>,
    ) {
        let find = |conditions: Option<&[Condition]>| find_condition(conditions.unwrap_or_default(), type_).cloned();
        match (find(before), find(now)) {
            (before, Some(now))
                if now.status == "False" && before.as_ref().is_none_or(|it| it.message != now.message) =>
            {
                self.warn(object, &now.reason, &now.message);
            }
            (Some(before), Some(now)) if before.status == "False" && now.status == "True" => {
                self.note(object, &now.reason, &now.message);
            }
            _ => {}
        }
    }

    fn send<K: Resource<DynamicType = ()>>(&self, object: &K, kind: EventType, reason: &str, note: &str) {
        let end = (0..=note.len().min(LONGEST_NOTE))
            .rev()
            .find(|at| note.is_char_boundary(*at));
        let told = Told {
            about: object.object_ref(&()),
            kind,
            reason: reason.to_owned(),
            note: note[..end.unwrap_or_default()].to_owned(),
        };
        // The status says the same.
        let _ = self.0.try_send(told);
    }
}

/// Writes events until it is dropped.
pub(super) async fn run(client: Client, mut events: mpsc::Receiver<Told>) {
    while let Some(told) = events.recv().await {
        // A new one each time: a recorder would count events with other notes as repetitions of the first.
        let recorder = Recorder::new(client.clone(), Reporter::from(FIELD_MANAGER));
        let event = Event {
            type_: told.kind,
            reason: told.reason,
            note: Some(told.note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let published = within_deadline("failed to write an event", recorder.publish(&event, &told.about)).await;
        if let Err(error) = published {
            tracing::debug!(error = %error.chain(), "an event is lost");
        }
    }
}
