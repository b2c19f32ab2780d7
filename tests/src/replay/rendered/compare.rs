//! Compares the cluster after a step with what was recorded: objects, bytes of files, statuses, and what was written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    api::{Api, OWNED},
    case::{Case, read_yaml},
};

/// A difference: where, and what we have there (`null` for nothing).
pub type Differences = BTreeMap<String, (Value, Value)>;

/// Resource versions and pod templates by `Kind namespace/name`.
pub type Snapshot = BTreeMap<String, (String, Value)>;

/// The objects that agents own, by `namespace/kind-name`.
async fn list_owned(api: &Api, case: &Case) -> Result<BTreeMap<String, Value>> {
    let mut owned = BTreeMap::new();
    for namespace in case.namespaces() {
        for kind in OWNED {
            for object in api.list(kind, &namespace).await? {
                let owners = object["metadata"]["ownerReferences"].as_array();
                if owners.into_iter().flatten().any(|owner| owner["kind"] == "Agent") {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    let mut object = object.clone();
                    object["kind"] = kind.into();
                    let path = format!("{namespace}/{}-{name}", kind.to_lowercase());
                    owned.insert(path, object);
                }
            }
        }
    }
    Ok(owned)
}

/// What there is before a step.
///
/// # Errors
/// When the API does not answer.
pub async fn take_snapshot(api: &Api, case: &Case) -> Result<Snapshot> {
    let owned = list_owned(api, case).await?;
    let entries = owned.into_values().map(|object| {
        let metadata = &object["metadata"];
        let name = format!(
            "{} {}/{}",
            object["kind"].as_str().unwrap_or_default(),
            metadata["namespace"].as_str().unwrap_or_default(),
            metadata["name"].as_str().unwrap_or_default()
        );
        let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
        (name, (version, object["spec"]["template"].clone()))
    });
    Ok(entries.collect())
}

/// All differences after a step.
///
/// # Errors
/// When the API does not answer.
pub async fn compare(api: &Api, case: &Case, step: &str, before: &Snapshot) -> Result<Differences> {
    let mut differences = Differences::new();
    compare_objects(api, case, step, &mut differences).await?;
    compare_statuses(api, case, step, &mut differences).await?;
    if let Some(recorded) = case.find(step, "objects.txt") {
        let recorded: BTreeSet<&str> = recorded.lines().filter(|line| !line.is_empty()).collect();
        let after = take_snapshot(api, case).await?;
        let seen = describe_writes(before, &after);
        if !recorded.iter().copied().eq(seen.iter().map(String::as_str)) {
            let field = format!("{step}objects.txt");
            differences.insert(field, (json!(recorded), json!(seen)));
        }
    }
    Ok(differences)
}

fn describe_writes(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let describe = |name: &String| match (before.get(name), after.get(name)) {
        (None, _) => "created".to_owned(),
        (_, None) => "deleted".to_owned(),
        (Some(old), Some(new)) if old.0 == new.0 => "unchanged".to_owned(),
        (Some(old), Some(new)) if !name.starts_with("Deployment") || old.1.is_null() && new.1.is_null() => {
            "changed".to_owned()
        }
        (Some(old), Some(new)) if old.1 == new.1 => "changed, pod template the same".to_owned(),
        _ => "changed, pod template changed (pods roll)".to_owned(),
    };
    names
        .into_iter()
        .map(|name| format!("{name}: {}", describe(name)))
        .collect()
}

async fn compare_objects(api: &Api, case: &Case, step: &str, differences: &mut Differences) -> Result<()> {
    let folder = format!("{step}expected/");
    let owned = list_owned(api, case).await?;
    let mut recorded = BTreeSet::new();
    for (path, text) in case.list(&folder) {
        let field = format!("{step}{path}");
        if let Some(object) = path.strip_suffix(".yaml").filter(|object| object.contains('/')) {
            recorded.insert(object.to_owned());
            let expected = read_yaml(text).into_iter().next().unwrap_or_default();
            let seen = owned.get(object).map(strip).unwrap_or_default();
            if seen != expected {
                differences.insert(field, (expected, seen));
            }
        } else if let Some((object, key)) = path.rsplit_once('/') {
            let data = owned.get(object).map(|object| &object["data"][key]);
            let seen = data
                .and_then(Value::as_str)
                .map(|text| match object.contains("/secret-") {
                    true => String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default(),
                    false => text.to_owned(),
                });
            if seen.as_deref() != Some(text) {
                differences.insert(field, (json!(text), json!(seen)));
            }
        }
    }
    for (path, object) in &owned {
        if !recorded.contains(path) {
            differences.insert(format!("{step}{path}.yaml"), (Value::Null, strip(object)));
        }
    }
    Ok(())
}

/// Without what recordings leave out.
fn strip(object: &Value) -> Value {
    let mut object = object.clone();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    object["apiVersion"] = version.into();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generation",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        let owners = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut);
        for owner in owners.into_iter().flatten().filter_map(Value::as_object_mut) {
            owner.remove("uid");
        }
    }
    if kind == "Service"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
    }
    object
}

async fn compare_statuses(api: &Api, case: &Case, step: &str, differences: &mut Differences) -> Result<()> {
    let text = case.find(step, "expected/status.yaml").unwrap_or_default();
    for recorded in read_yaml(text)
        .into_iter()
        .flat_map(|list| list.as_array().cloned().unwrap_or_default())
    {
        let text = |field: &str| recorded[field].as_str().unwrap_or_default().to_owned();
        let (kind, namespace, name) = (text("kind"), text("namespace"), text("name"));
        let live = api.find(&kind, &namespace, &name).await?.unwrap_or_default();
        let expected = mask(&kind, &recorded["status"]);
        let seen = mask(&kind, &live["status"]);
        let field = format!("{step}status/{namespace}/{kind}-{name}");
        if seen != expected {
            differences.insert(field, (expected, seen));
        } else if live["metadata"]["generation"] != recorded["generation"] {
            let generations = (recorded["generation"].clone(), live["metadata"]["generation"].clone());
            differences.insert(field + "/generation", generations);
        }
    }
    Ok(())
}

/// Without times, and without the text of what a tool server answered: it is that of Go's HTTP client.
fn mask(kind: &str, status: &Value) -> Value {
    let mut status = status.clone();
    let conditions = status["conditions"].as_array_mut();
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        condition.remove("lastTransitionTime");
        if kind == "RemoteMCPServer"
            && condition
                .get("reason")
                .is_some_and(|reason| reason == "ReconcileFailed")
        {
            condition.remove("message");
        }
    }
    match status.as_object() {
        Some(map) if map.values().all(Value::is_null) => Value::Object(Map::new()),
        _ => status,
    }
}
