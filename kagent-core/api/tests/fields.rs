//! Every field of the schemas exists in the Rust types: nothing that a person may write is lost between them.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

use kagent_api::{
    crds::all_crds,
    v1alpha2::{Agent, ModelConfig, ModelProviderConfig, RemoteMCPServer},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// A value with every field that the schema has, and `nth` of each enum's words.
fn mk_sample(schema: &Value, nth: usize) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[nth % words.len()].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let mut object: Map<_, _> = properties
                .map(|(name, property)| (name.clone(), mk_sample(property, nth)))
                .collect();
            if schema["additionalProperties"].is_object() {
                object.insert("key".to_owned(), mk_sample(&schema["additionalProperties"], nth));
            }
            Value::Object(object)
        }
        Some("array") => json!([mk_sample(&schema["items"], nth)]),
        Some("boolean") => json!(true),
        Some("integer") => json!(7),
        Some("string") if schema["format"] == "date-time" => json!("2026-07-20T10:00:00Z"),
        Some("string") => json!("text"),
        // Quantities, ports that may be names, and fields that may hold anything.
        _ => json!("1"),
    }
}

#[track_caller]
fn assert_keeps_every_field<T: DeserializeOwned + Serialize>(kind: &str) {
    let crd = all_crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    let version = crd.spec.versions.into_iter().find(|version| version.storage).unwrap();
    let schema = serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap();
    for nth in 0..9 {
        let mut object = mk_sample(&schema, nth);
        object["apiVersion"] = json!("kagent.dev/v1alpha2");
        object["kind"] = json!(kind);
        object["metadata"] = json!({ "name": "x" });
        let read: T = serde_json::from_value(object.clone()).unwrap();
        let mut lost = vec![];
        find_lost("", &object, &serde_json::to_value(read).unwrap(), &mut lost);
        assert!(lost.is_empty(), "{kind} does not keep {lost:#?}");
    }
}

fn find_lost(path: &str, written: &Value, read: &Value, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (name, value) in written {
                find_lost(
                    &format!("{path}.{name}"),
                    value,
                    read.get(name).unwrap_or(&Value::Null),
                    lost,
                );
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            for (written, read) in written.iter().zip(read) {
                find_lost(&format!("{path}[]"), written, read, lost);
            }
        }
        (written, read) if written == read => {}
        _ => lost.push(format!("{path}: {written} became {read}")),
    }
}

#[test]
fn agent_keeps_every_field() {
    assert_keeps_every_field::<Agent>("Agent");
}

#[test]
fn model_config_keeps_every_field() {
    assert_keeps_every_field::<ModelConfig>("ModelConfig");
}

#[test]
fn model_provider_config_keeps_every_field() {
    assert_keeps_every_field::<ModelProviderConfig>("ModelProviderConfig");
}

#[test]
fn remote_mcp_server_keeps_every_field() {
    assert_keeps_every_field::<RemoteMCPServer>("RemoteMCPServer");
}

/// The search itself must see what is lost, or the tests above prove nothing.
#[test]
fn a_lost_field_is_noticed() {
    let mut lost = vec![];
    find_lost(
        "",
        &json!({ "a": [{ "b": 1, "c": 2 }] }),
        &json!({ "a": [{ "b": 1 }] }),
        &mut lost,
    );
    assert_eq!(lost, [".a[].c: 2 became null"]);
}
