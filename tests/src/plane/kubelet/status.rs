//! What a kubelet says about a Pod, in its words. Pure.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

use super::node_address;

/// What is true of a Pod now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    pub(super) address: Ipv4Addr,
    /// When the Pod came to the node.
    pub(super) since: Timestamp,
    pub(super) state: State,
    /// Since when `Ready` is what it is.
    pub(super) ready: bool,
    pub(super) ready_since: Timestamp,
    pub(super) restarts: i32,
    pub(super) last_end: Option<End>,
}

/// What the container does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// It does not run: reason and message.
    Waiting(&'static str, String),
    Running(Timestamp),
}

/// How the container ended the last time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) code: i32,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

/// The status that says so.
pub(super) fn build_status(observed: &Observed, container: &Container) -> Value {
    let running = matches!(observed.state, State::Running(_));
    // A Pod whose container has run stays `Running` between two starts.
    let phase = if running || observed.last_end.is_some() {
        "Running"
    } else {
        "Pending"
    };
    let state = match &observed.state {
        State::Waiting(reason, message) => json!({"waiting": {"reason": reason, "message": message}}),
        State::Running(started) => json!({"running": {"startedAt": second(*started)}}),
    };
    let last = observed.last_end.as_ref().map_or_else(
        || json!({}),
        |end| {
            json!({"terminated": {
                "exitCode": end.code,
                "reason": if end.code == 0 { "Completed" } else { "Error" },
                "startedAt": second(end.started),
                "finishedAt": second(end.finished),
            }})
        },
    );
    let condition = |type_: &str, holds: bool, since: Timestamp| {
        let mut condition = json!({
            "type": type_,
            "status": if holds { "True" } else { "False" },
            "lastTransitionTime": second(since),
        });
        if !holds {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!("containers with unready status: [{}]", container.name));
        }
        condition
    };
    json!({"status": {
        "phase": phase,
        "hostIP": node_address(), "hostIPs": [{"ip": node_address()}],
        "podIP": observed.address, "podIPs": [{"ip": observed.address}],
        "startTime": second(observed.since),
        "conditions": [
            condition("PodScheduled", true, observed.since),
            condition("PodReadyToStartContainers", true, observed.since),
            condition("Initialized", true, observed.since),
            condition("ContainersReady", observed.ready, observed.ready_since),
            condition("Ready", observed.ready, observed.ready_since),
        ],
        "containerStatuses": [{
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "ready": observed.ready,
            "started": running,
            "restartCount": observed.restarts,
            "state": state,
            "lastState": last,
        }],
    }})
}

/// Times of Pods have whole seconds.
fn second(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    whole.to_string()
}
