//! Reads objects the way the API server's typed decoder does: wrong types are refused, unknown fields found and dropped.

use k8s_openapi::{
    api::{apps, coordination, core, discovery},
    apiextensions_apiserver::pkg::apis::apiextensions,
    apimachinery::pkg::apis::meta,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Decodes `metadata`; the paths of unknown fields in it.
pub(crate) fn decode_metadata(object: &mut Value) -> Result<Vec<String>, String> {
    let Some(metadata) = object.get("metadata") else {
        return Ok(Vec::new());
    };
    let decoded = through::<meta::v1::ObjectMeta>(metadata).map_err(|why| format!("metadata: {why}"))?;
    let mut unknown = Vec::new();
    // `creationTimestamp: null` and the like mean nothing; `clusterName` and such are gone from the API.
    find_lost(metadata, &decoded, "metadata", &mut unknown);
    let mut decoded = decoded;
    if let Some(fields) = decoded.as_object_mut() {
        for name in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let empty = match fields.get(name) {
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                _ => false,
            };
            if empty {
                fields.shift_remove(name);
            }
        }
    }
    object["metadata"] = decoded;
    Ok(unknown)
}

/// Decodes an object of a built-in kind and fills in its few defaults; the paths of unknown fields.
pub(crate) fn decode_builtin(kind: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let decoded = match kind {
        "Namespace" => through::<core::v1::Namespace>(object),
        "Secret" => through::<core::v1::Secret>(object),
        "ConfigMap" => through::<core::v1::ConfigMap>(object),
        "Service" => through::<core::v1::Service>(object),
        "ServiceAccount" => through::<core::v1::ServiceAccount>(object),
        "Pod" => through::<core::v1::Pod>(object),
        "Event" => through::<core::v1::Event>(object),
        "Endpoints" => through::<core::v1::Endpoints>(object),
        "Deployment" => through::<apps::v1::Deployment>(object),
        "ReplicaSet" => through::<apps::v1::ReplicaSet>(object),
        "EndpointSlice" => through::<discovery::v1::EndpointSlice>(object),
        "Lease" => through::<coordination::v1::Lease>(object),
        "CustomResourceDefinition" => through::<apiextensions::v1::CustomResourceDefinition>(object),
        _ => return Err("the kind is not known".to_owned()),
    }?;
    if kind == "Lease" {
        for field in ["acquireTime", "renewTime"] {
            check_micro_time(&object["spec"][field])?;
        }
    }
    let mut unknown = Vec::new();
    find_lost(object, &decoded, "", &mut unknown);
    *object = decoded;
    fill_in(kind, object);
    Ok(unknown)
}

fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    let typed: T = T::deserialize(value).map_err(|error| error.to_string())?;
    serde_json::to_value(&typed).map_err(|error| error.to_string())
}

/// Times of leases have six digits after the second, no more and no less.
fn check_micro_time(time: &Value) -> Result<(), String> {
    let Some(text) = time.as_str() else { return Ok(()) };
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 6 {
        return Ok(());
    }
    Err(format!("parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\""))
}

fn find_lost(before: &Value, after: &Value, path: &str, lost: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let at = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match after.get(name) {
                    Some(kept) => find_lost(value, kept, &at, lost),
                    None if value.is_null() => {}
                    None => lost.push(at),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                find_lost(before, after, &format!("{path}[{index}]"), lost);
            }
        }
        _ => {}
    }
}

/// What readers rely on; other defaults of the API server are left out, as nothing here acts on them.
fn fill_in(kind: &str, object: &mut Value) {
    match kind {
        "Secret" => {
            if let Some(Value::Object(texts)) = object
                .as_object_mut()
                .and_then(|fields| fields.shift_remove("stringData"))
            {
                use base64::{Engine, engine::general_purpose::STANDARD};
                for (key, text) in texts {
                    object["data"][key] = json!(STANDARD.encode(text.as_str().unwrap_or_default()));
                }
            }
            default(object, "type", json!("Opaque"));
        }
        "Service" => {
            let spec = &mut object["spec"];
            default(spec, "type", json!("ClusterIP"));
            default(spec, "sessionAffinity", json!("None"));
            if spec["type"] != "ExternalName" {
                default(spec, "internalTrafficPolicy", json!("Cluster"));
            }
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                default(port, "protocol", json!("TCP"));
                let number = port["port"].clone();
                default(port, "targetPort", number);
            }
        }
        "Deployment" | "ReplicaSet" => {
            default(&mut object["spec"], "replicas", json!(1));
            fill_in_pod(&mut object["spec"]["template"]["spec"]);
        }
        "Pod" => fill_in_pod(&mut object["spec"]),
        _ => {}
    }
}

fn fill_in_pod(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                default(port, "protocol", json!("TCP"));
            }
            if container["ports"].is_null()
                && let Some(container) = container.as_object_mut()
            {
                container.shift_remove("ports");
            }
        }
        if spec[list].is_null()
            && let Some(spec) = spec.as_object_mut()
        {
            spec.shift_remove(list);
        }
    }
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_data_becomes_data() {
        let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" },
            "stringData": { "a": "x" }, "data": { "b": "eQ==" } });
        assert!(decode_builtin("Secret", &mut secret).expect("a secret").is_empty());
        assert_eq!(secret["data"], json!({ "b": "eQ==", "a": "eA==" }));
        assert!(secret.get("stringData").is_none());
    }

    #[test]
    fn unknown_fields_are_found_and_wrong_types_refused() {
        let mut service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s", "creationTimestamp": null },
            "spec": { "ports": [{ "port": 80, "prot": "TCP" }] } });
        assert_eq!(
            decode_builtin("Service", &mut service).expect("a service"),
            ["spec.ports[0].prot"]
        );
        assert_eq!(
            service["spec"]["ports"],
            json!([{ "port": 80, "protocol": "TCP", "targetPort": 80 }])
        );
        assert!(decode_builtin("Service", &mut json!({ "spec": { "ports": "none" } })).is_err());
    }
}
