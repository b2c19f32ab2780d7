//! The generated CRDs against those of a 0.9.12 install, as a real API server gave them back.
//!
//! Descriptions may differ and nothing else: an install must neither lose an object nor see a field behave differently.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

use std::{collections::BTreeMap, fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kagent_api::crds::{all_crds, mcp_server_crd};
use serde_json::{Map, Value, json};

/// kubectl keeps a copy of what it applies in an annotation, and annotations may have this many bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Differences that are meant: the path as the test prints it, and the reason. An old object must stay valid.
const MEANT: &[(&str, &str)] = &[];

fn read_recorded() -> BTreeMap<String, Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/crds");
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let crds = files.map(|path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap());
    crds.map(|crd| (crd["metadata"]["name"].as_str().unwrap().to_owned(), crd))
        .collect()
}

fn generate() -> BTreeMap<String, Value> {
    let crds = all_crds().into_iter().chain([mcp_server_crd()]);
    crds.map(|crd| (crd.metadata.name.clone().unwrap(), serde_json::to_value(crd).unwrap()))
        .collect()
}

/// Removes descriptions: the keyword, not a property that is called so.
fn without_descriptions(schema: &Value) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let keywords = schema.iter().filter(|(keyword, _)| *keyword != "description");
    let keywords = keywords.map(|(keyword, value)| {
        let value = match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let properties = properties
                    .iter()
                    .map(|(name, value)| (name.clone(), without_descriptions(value)));
                Value::Object(properties.collect::<Map<_, _>>())
            }
            ("items" | "additionalProperties", value) => without_descriptions(value),
            // The order of required fields says nothing.
            ("required", Value::Array(names)) => {
                let mut names = names.clone();
                names.sort_by_key(ToString::to_string);
                Value::Array(names)
            }
            (_, value) => value.clone(),
        };
        (keyword.clone(), value)
    });
    Value::Object(keywords.collect())
}

fn compare(path: &str, expected: Option<&Value>, actual: Option<&Value>, differences: &mut Vec<String>) {
    match (expected, actual) {
        (Some(Value::Object(expected)), Some(Value::Object(actual))) => {
            let mut keys: Vec<_> = expected.keys().chain(actual.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(
                    &format!("{path}.{key}"),
                    expected.get(key),
                    actual.get(key),
                    differences,
                );
            }
        }
        (Some(Value::Number(expected)), Some(Value::Number(actual))) if expected.as_f64() == actual.as_f64() => {}
        (expected, actual) if expected == actual => {}
        (expected, actual) => {
            let text = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
            differences.push(format!(
                "{path}: recorded {}, generated {}",
                text(expected),
                text(actual)
            ));
        }
    }
}

fn compare_crds(name: &str, expected: &Value, actual: &Value, differences: &mut Vec<String>) {
    let versions = |crd: &Value| {
        let versions = crd["spec"]["versions"].as_array().unwrap().iter();
        let versions = versions.map(|version| {
            let mut version = version.clone();
            let schema = &mut version["schema"]["openAPIV3Schema"];
            *schema = without_descriptions(schema);
            (version["name"].as_str().unwrap().to_owned(), version)
        });
        Value::Object(versions.collect::<Map<_, _>>())
    };
    compare(
        &format!("{name} versions"),
        Some(&versions(expected)),
        Some(&versions(actual)),
        differences,
    );
    let rest = |crd: &Value| {
        let mut crd = crd.clone();
        crd["spec"]["versions"] = Value::Null;
        crd
    };
    compare(name, Some(&rest(expected)), Some(&rest(actual)), differences);
}

#[test]
fn every_crd_equals_the_recorded_one() {
    let (recorded, generated) = (read_recorded(), generate());
    assert_eq!(
        recorded.keys().collect::<Vec<_>>(),
        generated.keys().collect::<Vec<_>>()
    );
    let mut differences = vec![];
    for (name, expected) in &recorded {
        compare_crds(name, expected, &generated[name], &mut differences);
    }
    for (path, reason) in MEANT {
        let before = differences.len();
        differences.retain(|difference| !difference.starts_with(&format!("{path}: ")));
        assert!(
            differences.len() < before,
            "{path} no longer differs ({reason}): remove it from MEANT"
        );
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The comparison itself must see each kind of difference, or the test above proves nothing.
#[test]
fn the_comparison_notices_every_kind_of_difference() {
    let recorded = &read_recorded()["agents.kagent.dev"];
    let schema = "/spec/versions/1/schema/openAPIV3Schema/properties/spec";
    let changes = [
        (format!("{schema}/properties/type/default"), json!("BYO")),
        (format!("{schema}/properties/type/enum/0"), json!("Other")),
        (format!("{schema}/x-kubernetes-validations/0/message"), json!("other")),
        (
            format!("{schema}/properties/declarative/properties/tools/maxItems"),
            json!(21),
        ),
        (format!("{schema}/properties/description"), json!({})),
        (
            "/spec/versions/1/additionalPrinterColumns/0/name".to_owned(),
            json!("Other"),
        ),
        ("/spec/versions/0/served".to_owned(), json!(false)),
        ("/spec/names/categories/0".to_owned(), json!("other")),
    ];
    for (pointer, value) in changes {
        let mut changed = recorded.clone();
        *changed
            .pointer_mut(&pointer)
            .unwrap_or_else(|| panic!("{pointer} is not there")) = value;
        let mut differences = vec![];
        compare_crds("agents", recorded, &changed, &mut differences);
        assert_eq!(differences.len(), 1, "{pointer}: {differences:?}");
    }
}

#[test]
fn kubectl_can_apply_every_crd() {
    for crd in all_crds() {
        let size = serde_json::to_vec(&crd).unwrap().len();
        assert!(size < MAX_ANNOTATIONS, "{:?} has {size} bytes", crd.metadata.name);
    }
}

/// What an API server insists on beyond types: each level says its type (or is free), and only known keywords.
#[test]
fn every_schema_is_structural() {
    for crd in all_crds().into_iter().chain([mcp_server_crd()]) {
        let name = crd.metadata.name.clone().unwrap();
        for version in &crd.spec.versions {
            let schema = version
                .schema
                .as_ref()
                .and_then(|schema| schema.open_api_v3_schema.as_ref())
                .unwrap();
            assert_structural(
                &format!("{name}/{}", version.name),
                &serde_json::to_value(schema).unwrap(),
            );
        }
    }
}

#[track_caller]
fn assert_structural(path: &str, schema: &Value) {
    let is_set = |keyword: &str| schema[keyword] == json!(true);
    let kind = schema["type"].as_str();
    assert!(
        kind.is_some() || is_set("x-kubernetes-int-or-string") || is_set("x-kubernetes-preserve-unknown-fields"),
        "{path} has no type: {schema}"
    );
    for keyword in [
        "$ref",
        "$schema",
        "allOf",
        "oneOf",
        "not",
        "nullable",
        "title",
        "definitions",
        "patternProperties",
    ] {
        assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
    }
    assert_eq!(
        kind == Some("array"),
        schema.get("items").is_some(),
        "{path}: items belong to arrays"
    );
    assert!(
        schema.get("properties").is_none() || schema.get("additionalProperties").is_none(),
        "{path} has both properties and additionalProperties"
    );
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            schema["properties"].get(required.as_str().unwrap()).is_some(),
            "{path} requires unknown {required}"
        );
    }
    for key in schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten() {
        let (key, items) = (key.as_str().unwrap(), &schema["items"]);
        let required = items["required"]
            .as_array()
            .is_some_and(|names| names.contains(&json!(key)));
        let default = items["properties"][key].get("default").is_some();
        assert!(
            required || default,
            "{path}: list key {key} is neither required nor has a default"
        );
    }
    if let Some(default) = schema.get("default") {
        let fits = match kind {
            Some("string") => default.is_string(),
            Some("boolean") => default.is_boolean(),
            Some("integer") => default.is_i64(),
            _ => false,
        };
        assert!(fits, "{path}: default {default} is no {kind:?}");
        let allowed = schema["enum"].as_array();
        assert!(
            allowed.is_none_or(|allowed| allowed.contains(default)),
            "{path}: default {default} is not in the enum"
        );
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        assert_structural(&format!("{path}.{name}"), property);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
            assert_structural(&format!("{path}.{keyword}"), inner);
        }
    }
}

#[test]
fn defaults_are_in_the_schema() {
    let generated = generate();
    let spec = |name: &str, version: usize| {
        generated[name]["spec"]["versions"][version]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            .clone()
    };
    let agent = spec("agents.kagent.dev", 1);
    assert_eq!(agent["type"]["default"], "Declarative");
    assert_eq!(agent["allowedNamespaces"]["properties"]["from"]["default"], "Same");
    let declarative = &agent["declarative"]["properties"];
    assert_eq!(declarative["runtime"]["default"], "python");
    assert_eq!(
        declarative["context"]["properties"]["compaction"]["properties"]["compactionInterval"]["default"],
        5
    );
    assert_eq!(
        agent["skills"]["properties"]["gitRefs"]["items"]["properties"]["ref"]["default"],
        "main"
    );
    let model = spec("modelconfigs.kagent.dev", 1);
    assert_eq!(model["provider"]["default"], "OpenAI");
    assert_eq!(model["bedrock"]["properties"]["cacheTTL"]["default"], "5m");
    let server = spec("remotemcpservers.kagent.dev", 0);
    assert_eq!(server["terminateOnClose"]["default"], true);
    assert_eq!(server["timeout"]["default"], "30s");
}

/// Every field that a person may write is explained, except those of Kubernetes' own types and of the legacy kinds.
#[test]
fn own_fields_have_descriptions() {
    let generated = generate();
    for (name, version) in [
        ("agents.kagent.dev", 1),
        ("modelconfigs.kagent.dev", 1),
        ("modelproviderconfigs.kagent.dev", 0),
        ("remotemcpservers.kagent.dev", 0),
    ] {
        let schema = &generated[name]["spec"]["versions"][version]["schema"]["openAPIV3Schema"];
        assert!(schema["description"].is_string(), "{name}");
        for part in ["spec", "status"] {
            let part = &schema["properties"][part];
            assert!(part["description"].is_string(), "{name}");
            for (field, property) in part["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{name}: {field}");
            }
        }
    }
}

#[test]
fn versions_that_hold_objects_are_served_and_one_is_stored() {
    let crds: Vec<CustomResourceDefinition> = all_crds();
    assert_eq!(crds.len(), 8);
    for crd in crds {
        assert!(crd.spec.versions.iter().all(|version| version.served));
        assert_eq!(crd.spec.versions.iter().filter(|version| version.storage).count(), 1);
    }
}
