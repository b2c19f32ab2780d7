//! Columns and cells of the built-in kinds, as the API server's printers make them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Column, age};
use crate::resource::text;

const NONE: &str = "<none>";
/// Endpoints and ports that are shown before `+ n more…`.
const MAX_SHOWN: usize = 3;

/// The columns of a built-in kind: name, type, priority (1: only in wide output).
pub(crate) fn builtin_columns(kind: &str) -> Vec<Column> {
    let wide = |names: &'static [&'static str], from: usize| {
        names
            .iter()
            .enumerate()
            .map(move |(index, name)| Column::builtin(name, "string", i64::from(index >= from)))
            .collect()
    };
    match kind {
        "Secret" => wide(&["Name", "Type", "Data", "Age"], 4),
        "ConfigMap" => wide(&["Name", "Data", "Age"], 3),
        "Namespace" => wide(&["Name", "Status", "Age"], 3),
        "Service" => wide(
            &[
                "Name",
                "Type",
                "Cluster-IP",
                "External-IP",
                "Port(s)",
                "Age",
                "Selector",
            ],
            6,
        ),
        "Pod" => wide(
            &[
                "Name",
                "Ready",
                "Status",
                "Restarts",
                "Age",
                "IP",
                "Node",
                "Nominated Node",
                "Readiness Gates",
            ],
            5,
        ),
        "Event" => [
            ("Last Seen", 0),
            ("Type", 0),
            ("Reason", 0),
            ("Object", 0),
            ("Subobject", 1),
            ("Source", 1),
            ("Message", 0),
            ("First Seen", 1),
            ("Count", 1),
            ("Name", 1),
        ]
        .into_iter()
        .map(|(name, priority)| Column::builtin(name, "string", priority))
        .collect(),
        "Endpoints" => wide(&["Name", "Endpoints", "Age"], 3),
        "Deployment" => wide(
            &[
                "Name",
                "Ready",
                "Up-to-date",
                "Available",
                "Age",
                "Containers",
                "Images",
                "Selector",
            ],
            5,
        ),
        "ReplicaSet" => {
            let mut columns: Vec<Column> = wide(
                &[
                    "Name",
                    "Desired",
                    "Current",
                    "Ready",
                    "Age",
                    "Containers",
                    "Images",
                    "Selector",
                ],
                5,
            );
            for column in &mut columns[1..4] {
                "integer".clone_into(&mut column.kind);
            }
            columns
        }
        "EndpointSlice" => wide(&["Name", "AddressType", "Ports", "Endpoints", "Age"], 5),
        "Lease" => wide(&["Name", "Holder", "Age"], 3),
        "CustomResourceDefinition" => {
            vec![
                Column::builtin("Name", "string", 0),
                Column::builtin("Created At", "date", 0),
            ]
        }
        _ => wide(&["Name", "Age"], 2),
    }
}

/// The cells of an object, as many as the kind has columns.
pub(super) fn builtin_cells(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text(object, &["metadata", "name"]));
    let created = text(object, &["metadata", "creationTimestamp"]);
    let age = json!(age::since(created, now));
    let spec = &object["spec"];
    let status = &object["status"];
    let count = |value: &Value| value.as_object().map_or(0, serde_json::Map::len);
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    match kind {
        "Secret" => vec![name, json!(text(object, &["type"])), json!(count(&object["data"])), age],
        "ConfigMap" => vec![name, json!(count(&object["data"]) + count(&object["binaryData"])), age],
        "Namespace" => vec![name, json!(text(status, &["phase"])), age],
        "Service" => vec![
            name,
            json!(text(spec, &["type"])),
            json!(or_none(text(spec, &["clusterIP"]).to_owned())),
            json!(external_ips(object)),
            json!(service_ports(&spec["ports"])),
            age,
            json!(labels(&spec["selector"])),
        ],
        "Pod" => pod(object, name, age),
        "Event" => event(object, name, now),
        "Endpoints" => vec![name, json!(endpoints(&object["subsets"])), age],
        "Deployment" => {
            let (containers, images) = containers(object);
            vec![
                name,
                json!(format!(
                    "{}/{}",
                    number(&status["readyReplicas"]),
                    number(&spec["replicas"])
                )),
                json!(number(&status["updatedReplicas"])),
                json!(number(&status["availableReplicas"])),
                age,
                containers,
                images,
                json!(selector(&spec["selector"])),
            ]
        }
        "ReplicaSet" => {
            let (containers, images) = containers(object);
            vec![
                name,
                json!(number(&spec["replicas"])),
                json!(number(&status["replicas"])),
                json!(number(&status["readyReplicas"])),
                age,
                containers,
                images,
                json!(selector(&spec["selector"])),
            ]
        }
        "EndpointSlice" => vec![
            name,
            json!(text(object, &["addressType"])),
            json!(slice_ports(&object["ports"])),
            json!(shorten(
                list(&object["endpoints"])
                    .flat_map(|one| strings(&one["addresses"]))
                    .collect(),
                "<unset>"
            )),
            age,
        ],
        "Lease" => vec![name, json!(text(spec, &["holderIdentity"])), age],
        "CustomResourceDefinition" => vec![name, json!(created)],
        _ => vec![name, age],
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> impl Iterator<Item = String> {
    list(value).filter_map(|one| one.as_str().map(str::to_owned))
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

fn shorten(all: Vec<String>, nothing: &str) -> String {
    match all.len() {
        0 => nothing.to_owned(),
        count if count > MAX_SHOWN => format!("{} + {} more...", all[..MAX_SHOWN].join(","), count - MAX_SHOWN),
        _ => all.join(","),
    }
}

fn labels(labels: &Value) -> String {
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    or_none(pairs.join(","))
}

/// A selector with `matchLabels` and `matchExpressions`, in the form of a query.
fn selector(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())))
        .collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(expression, &["key"]);
        let mut values: Vec<String> = strings(&expression["values"]).collect();
        values.sort();
        let values = values.join(",");
        let part = match text(expression, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        parts.push((key.to_owned(), part));
    }
    parts.sort();
    or_none(parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(","))
}

fn containers(object: &Value) -> (Value, Value) {
    let part = |field: &str| {
        let all: Vec<&str> = list(&object["spec"]["template"]["spec"]["containers"])
            .map(|container| text(container, &[field]))
            .collect();
        json!(all.join(","))
    };
    (part("name"), part("image"))
}

fn external_ips(service: &Value) -> String {
    let own = strings(&service["spec"]["externalIPs"]);
    match text(service, &["spec", "type"]) {
        "ExternalName" => text(service, &["spec", "externalName"]).to_owned(),
        "LoadBalancer" => {
            let balancers = list(&service["status"]["loadBalancer"]["ingress"]).map(|one| {
                let ip = text(one, &["ip"]);
                if ip.is_empty() { text(one, &["hostname"]) } else { ip }.to_owned()
            });
            let all: Vec<String> = balancers.chain(own).collect();
            if all.is_empty() {
                "<pending>".to_owned()
            } else {
                all.join(",")
            }
        }
        _ => or_none(own.collect::<Vec<_>>().join(",")),
    }
}

fn service_ports(ports: &Value) -> String {
    let ports: Vec<String> = list(ports)
        .map(|port| {
            let protocol = text(port, &["protocol"]);
            match port["nodePort"].as_i64().unwrap_or_default() {
                0 => format!("{}/{protocol}", port["port"]),
                node => format!("{}:{node}/{protocol}", port["port"]),
            }
        })
        .collect();
    or_none(ports.join(","))
}

fn slice_ports(ports: &Value) -> String {
    shorten(
        list(ports)
            .map(|port| {
                port["port"]
                    .as_i64()
                    .map_or_else(|| "*".to_owned(), |port| port.to_string())
            })
            .collect(),
        "<unset>",
    )
}

fn endpoints(subsets: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(subsets) {
        for address in list(&subset["addresses"]) {
            let ip = text(address, &["ip"]);
            if list(&subset["ports"]).next().is_none() {
                all.push(ip.to_owned());
            }
            all.extend(list(&subset["ports"]).map(|port| format!("{ip}:{}", port["port"])));
        }
    }
    shorten(all, NONE)
}

fn pod(object: &Value, name: Value, age: Value) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let total = list(&spec["containers"]).count();
    let states = || list(&status["containerStatuses"]);
    let ready = states().filter(|state| state["ready"] == true).count();
    let restarts: i64 = states().filter_map(|state| state["restartCount"].as_i64()).sum();
    let mut phase = match text(status, &["reason"]) {
        "" => text(status, &["phase"]),
        reason => reason,
    };
    for state in states() {
        for kind in ["waiting", "terminated"] {
            match text(state, &["state", kind, "reason"]) {
                "" => {}
                reason => phase = reason,
            }
        }
    }
    if object["metadata"]["deletionTimestamp"].is_string() {
        phase = "Terminating";
    }
    let field = |value: &str| json!(or_none(value.to_owned()));
    let gates = list(&spec["readinessGates"]).count();
    let met = list(&spec["readinessGates"])
        .filter(|gate| {
            list(&status["conditions"])
                .any(|condition| condition["type"] == gate["conditionType"] && condition["status"] == "True")
        })
        .count();
    vec![
        name,
        json!(format!("{ready}/{total}")),
        json!(phase),
        json!(restarts.to_string()),
        age,
        field(text(status, &["podIP"])),
        field(text(spec, &["nodeName"])),
        field(text(status, &["nominatedNodeName"])),
        json!(if gates == 0 {
            NONE.to_owned()
        } else {
            format!("{met}/{gates}")
        }),
    ]
}

fn event(object: &Value, name: Value, now: Timestamp) -> Vec<Value> {
    let involved = &object["involvedObject"];
    let source = match (
        text(object, &["source", "component"]),
        text(object, &["source", "host"]),
    ) {
        ("", _) => text(object, &["reportingComponent"]).to_owned(),
        (component, "") => component.to_owned(),
        (component, host) => format!("{component}, {host}"),
    };
    let time = |fields: &[&str]| {
        let found = fields
            .iter()
            .map(|field| text(object, &[field]))
            .find(|time| !time.is_empty());
        age::since(found.unwrap_or_default(), now)
    };
    let first = time(&["firstTimestamp", "eventTime"]);
    let last = match text(object, &["series", "lastObservedTime"]) {
        "" => time(&["lastTimestamp", "eventTime"]),
        seen => age::since(seen, now),
    };
    let count = object["series"]["count"]
        .as_i64()
        .or_else(|| object["count"].as_i64())
        .unwrap_or_default();
    let kind = text(involved, &["kind"]).to_lowercase();
    let target = match text(involved, &["name"]) {
        "" => kind,
        named => format!("{kind}/{named}"),
    };
    vec![
        json!(last),
        object["type"].clone(),
        object["reason"].clone(),
        json!(target),
        json!(text(involved, &["fieldPath"])),
        json!(source),
        json!(text(object, &["message"]).trim()),
        json!(first),
        json!(count),
        name,
    ]
}
