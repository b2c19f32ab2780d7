//! Renders the recorded inputs of the Go controller and compares every byte with what it rendered: files of the Secret,
//! config hash, objects as sent, and the texts of refused agents. `covered.txt` lists the cases that must be the same,
//! `different.txt` those that are not, with the reason.
#![cfg(feature = "kube")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use k8s_openapi::api::core::v1::Namespace;
use kagent_core::{
    api::v1alpha2::{Agent, MCPServer, ModelConfig, RemoteMCPServer},
    translate::{
        self, AgentOutputs, Fetched, ObjectKind, TranslateOptions, fetched::FetchedObject, references::list_references,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const NO_MCP_SERVERS: &str = "cluster: CRD mcpservers.kagent.dev is not installed";

type Files = BTreeMap<String, String>;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/rendered")
}

fn read_case(name: &str) -> Files {
    let text = fs::read_to_string(recordings().join(format!("{name}.json"))).expect("recording");
    let mut case: BTreeMap<String, Files> = serde_json::from_str(&text).expect("packed recording");
    case.remove("files").expect("files")
}

fn read_yaml(text: &str) -> Vec<Value> {
    text.split("\n---")
        .map(|document| document.strip_prefix("---").unwrap_or(document))
        .map(|document| {
            // As kubectl reads it: `n` and `on` are text.
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options::<Value>(document, options).expect("YAML")
        })
        .filter(|document| !document.is_null())
        .collect()
}

/// Sets what the API server would set from the schema's defaults.
fn set_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if let (false, Some(default)) = (object.contains_key(name), property.get("default")) {
                    object.insert(name.clone(), default.clone());
                }
                if let Some(value) = object.get_mut(name) {
                    set_defaults(property, value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| set_defaults(&schema["items"], value)),
        _ => {}
    }
}

fn with_defaults<K: DeserializeOwned>(schema: &LazyLock<Value>, mut object: Value) -> K {
    set_defaults(schema, &mut object);
    let text = object.to_string();
    serde_json::from_value(object).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schema_of(kind: &str) -> Value {
    let mut crds = kagent_core::api::crds::all_crds();
    crds.push(kagent_core::api::crds::mcp_server_crd());
    let crd = crds.into_iter().find(|crd| crd.spec.names.kind == kind).expect("CRD");
    let version = crd
        .spec
        .versions
        .into_iter()
        .find(|version| version.storage)
        .expect("stored version");
    serde_json::to_value(version.schema.expect("schema").open_api_v3_schema).expect("JSON")
}

static AGENT: LazyLock<Value> = LazyLock::new(|| schema_of("Agent"));
static MODEL_CONFIG: LazyLock<Value> = LazyLock::new(|| schema_of("ModelConfig"));
static REMOTE_MCP_SERVER: LazyLock<Value> = LazyLock::new(|| schema_of("RemoteMCPServer"));
static MCP_SERVER: LazyLock<Value> = LazyLock::new(|| schema_of("MCPServer"));

fn decode_secret(mut object: Value) -> Value {
    let text = object.as_object_mut().and_then(|it| it.remove("stringData"));
    for (key, value) in text.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let bytes = k8s_openapi::ByteString(value.as_str().expect("text").as_bytes().to_vec());
        object["data"][key] = serde_json::to_value(bytes).expect("base64");
    }
    object
}

/// The cluster after the input was applied.
#[derive(Default)]
struct World {
    fetched: Fetched,
    agents: BTreeMap<(String, String), Agent>,
}

impl World {
    fn apply(&mut self, object: Value) {
        fn typed<T: DeserializeOwned>(object: Value) -> Arc<T> {
            Arc::new(serde_json::from_value(object).expect("recorded object"))
        }
        let kind = object["kind"].as_str().expect("kind").to_owned();
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            self.add_namespace(namespace);
        }
        let fetched = match kind.as_str() {
            "Agent" => {
                let agent: Agent = with_defaults(&AGENT, object);
                let key = (
                    agent.metadata.namespace.clone().expect("namespace"),
                    agent.metadata.name.clone().expect("name"),
                );
                self.agents.insert(key, agent.clone());
                FetchedObject::Agent(Arc::new(agent))
            }
            "ModelConfig" => FetchedObject::ModelConfig(Arc::new(with_defaults::<ModelConfig>(&MODEL_CONFIG, object))),
            "RemoteMCPServer" => {
                FetchedObject::RemoteMcpServer(Arc::new(with_defaults::<RemoteMCPServer>(&REMOTE_MCP_SERVER, object)))
            }
            "MCPServer" => FetchedObject::McpServer(Arc::new(with_defaults::<MCPServer>(&MCP_SERVER, object))),
            "Service" => FetchedObject::Service(typed(object)),
            "Secret" => FetchedObject::Secret(typed(decode_secret(object))),
            "ConfigMap" => FetchedObject::ConfigMap(typed(object)),
            "Namespace" => FetchedObject::Namespace(typed(object)),
            other => panic!("recorded kind {other} is not known to this test"),
        };
        self.fetched.insert_object(fetched);
    }

    /// Looking for an MCPServer tells that there are none.
    fn remove_mcp_servers(&mut self) {
        let options = TranslateOptions::default();
        for agent in self.agents.values() {
            for key in list_references(agent, &options) {
                if key.kind == ObjectKind::McpServer {
                    self.fetched.insert(key, FetchedObject::NoSuchKind);
                }
            }
        }
    }

    /// Namespaces exist before what is in them.
    fn add_namespace(&mut self, name: &str) {
        if self.fetched.find_namespace(name).is_none() {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            self.fetched
                .insert_object(FetchedObject::Namespace(Arc::new(namespace)));
        }
    }
}

/// `None` when something was different that is no flag.
fn options_of(flags: &str) -> Option<TranslateOptions> {
    let mut options = TranslateOptions::default();
    for line in flags.lines() {
        if let Some(variable) = line.strip_prefix("env ") {
            let (name, value) = variable.split_once('=').expect("NAME=value");
            options.otel_env.insert(name.to_owned(), value.to_owned());
            continue;
        }
        if line == NO_MCP_SERVERS {
            continue;
        }
        let line = line.strip_prefix("--")?;
        let (flag, value) = line.split_once('=').unwrap_or((line, "true"));
        let value = value.to_owned();
        match flag {
            "image-registry" => options.image_registry = value,
            "image-repository" => options.image_repository = value,
            "image-tag" => options.image_tag = value,
            "image-pull-policy" => options.image_pull_policy = value,
            "image-pull-secret" => options.image_pull_secret = value,
            "skills-init-image-registry" => options.skills_init_image_registry = value,
            "skills-init-image-repository" => options.skills_init_image_repository = value,
            "skills-init-image-tag" => options.skills_init_image_tag = value,
            "skills-init-image-pull-policy" | "default-model-config-namespace" => {}
            "default-model-config-name" => options.default_model_config_name = value,
            "default-service-account-name" => options.default_service_account_name = value,
            "default-agent-bind-host" => options.default_agent_bind_host = value,
            "proxy-url" => options.proxy_url = Some(value.parse().expect("URL")),
            "mcp-egress-plaintext" => options.mcp_egress_plaintext = true,
            "watch-namespaces" => options.watch_namespaces = value.split(',').map(str::to_owned).collect(),
            "default-agent-pod-labels" => {
                let pairs = value.split(',').filter_map(|pair| pair.split_once('='));
                options.default_agent_pod_labels = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            }
            other => panic!("recorded flag {other} is not known to this test"),
        }
    }
    Some(options)
}

/// Every difference between our rendering and the recording in `directory` of a case.
fn compare_step(files: &Files, directory: &str, world: &World, options: &TranslateOptions) -> Vec<String> {
    let mut differences = Vec::new();
    let statuses = read_yaml(&files[&format!("{directory}expected/status.yaml")]);
    for ((namespace, name), agent) in &world.agents {
        let status =
            statuses[0].as_array().expect("list").iter().find(|status| {
                status["kind"] == "Agent" && status["name"] == **name && status["namespace"] == **namespace
            });
        let Some(status) = status else {
            continue;
        };
        let conditions = status["status"]["conditions"].as_array().expect("conditions");
        let accepted = conditions.iter().find(|it| it["type"] == "Accepted").expect("Accepted");
        let message = accepted["message"].as_str().expect("message");
        let folder = format!("{directory}expected/{namespace}/");
        match translate::validate(agent, &world.fetched, options) {
            Err(problems) if accepted["status"] == "False" => {
                if problems.to_string() != message {
                    differences.push(format!(
                        "{name}: refused with {:?}, expected {message:?}",
                        problems.to_string()
                    ));
                }
            }
            Err(problems) => differences.push(format!("{name}: refused: {problems}")),
            Ok(_) if accepted["status"] == "False" && !message.starts_with("failed to reconcile owned objects") => {
                differences.push(format!("{name}: accepted, expected {message:?}"));
            }
            Ok(resolved) => {
                let outputs = translate::build(&resolved, options).expect("renders");
                compare_files(files, &folder, name, &outputs, &mut differences);
                compare_objects(files, directory, namespace, name, &outputs, &mut differences);
            }
        }
    }
    differences
}

fn compare_files(files: &Files, folder: &str, name: &str, outputs: &AgentOutputs, differences: &mut Vec<String>) {
    let secret = format!("{folder}secret-{name}/");
    let skills = format!("{folder}configmap-{name}-skills-init/config.json");
    let ours = [
        (format!("{secret}config.json"), Some(&outputs.files.config)),
        (format!("{secret}agent-card.json"), Some(&outputs.files.card)),
        (format!("{secret}srt-settings.json"), outputs.files.sandbox.as_ref()),
        (skills, outputs.files.skills.as_ref()),
    ];
    for (path, ours) in ours {
        let recorded = files.get(&path);
        if recorded != ours {
            differences.push(format!("{path}:\n   ours {ours:?}\n   theirs {recorded:?}"));
        }
    }
    if let Some(deployment) = files.get(&format!("{folder}deployment-{name}.yaml")) {
        let deployment = &read_yaml(deployment)[0];
        let hash = &deployment["spec"]["template"]["metadata"]["annotations"]["kagent.dev/config-hash"];
        if *hash != *outputs.config_hash {
            differences.push(format!("{name}: config hash {} instead of {hash}", outputs.config_hash));
        }
    }
}

fn compare_objects(
    files: &Files,
    directory: &str,
    namespace: &str,
    name: &str,
    outputs: &AgentOutputs,
    differences: &mut Vec<String>,
) {
    let manifest = &outputs.manifest;
    let ours: Vec<(String, Option<Value>)> = vec![
        (format!("deployment-{name}"), Some(value_of(&manifest.deployment))),
        (format!("service-{name}"), Some(value_of(&manifest.service))),
        (format!("secret-{name}"), Some(value_of(&manifest.secret))),
        (
            format!("serviceaccount-{name}"),
            manifest.service_account.as_ref().map(value_of),
        ),
        (
            format!("configmap-{name}-skills-init"),
            manifest.config_map.as_ref().map(value_of),
        ),
    ];
    for (file, ours) in ours {
        let sent = files.get(&format!("{directory}as-sent/{namespace}/{file}.yaml"));
        let live = files.get(&format!("{directory}expected/{namespace}/{file}.yaml"));
        match (ours, sent, live) {
            (Some(mut ours), Some(sent), _) => {
                let mut sent = read_yaml(sent)[0].clone();
                if file.starts_with("secret-") {
                    // The bytes were compared as files.
                    ours["data"] = key_list(&ours["data"]);
                    let text = sent.as_object_mut().and_then(|it| it.remove("stringData"));
                    sent["data"] = key_list(&text.unwrap_or_default());
                }
                if ours != sent {
                    differences.push(format!("{file}:\n   ours {ours}\n   sent {sent}"));
                }
            }
            (None, Some(_), _) | (None, None, Some(_)) => differences.push(format!("{file} is not rendered")),
            // Objects that were there before were updated, and updates were not recorded as sent.
            (Some(_), None, Some(_)) | (None, None, None) => {}
            (Some(_), None, None) => differences.push(format!("{file} is rendered and was not recorded")),
        }
    }
}

fn key_list(map: &Value) -> Value {
    let keys: BTreeSet<_> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect();
    json!(keys)
}

/// The object as JSON, without the uid that recordings leave out.
fn value_of(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).expect("JSON");
    for owner in value["metadata"]["ownerReferences"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        if let Some(owner) = owner.as_object_mut() {
            owner.remove("uid");
        }
    }
    value
}

/// The differences of all steps of a case.
fn compare_case(name: &str) -> Vec<String> {
    let files = read_case(name);
    let mut flags = files.get("flags.txt").cloned().unwrap_or_default();
    let mut world = World::default();
    world.add_namespace("kagent");
    world.add_namespace(name);
    let steps: &[&str] = if files.contains_key("input.yaml") {
        &[""]
    } else {
        &["step-1/", "step-2/"]
    };
    let mut differences = Vec::new();
    for step in steps {
        if let Some(input) = files.get(&format!("{step}input.yaml")) {
            read_yaml(input).into_iter().for_each(|object| world.apply(object));
        }
        if let Some(restart) = files.get(&format!("{step}restart.txt")) {
            let added = restart.split_whitespace().filter(|word| word.starts_with("--"));
            flags = format!("{flags}\n{}", added.collect::<Vec<_>>().join("\n"));
        }
        if flags.contains(NO_MCP_SERVERS) {
            world.remove_mcp_servers();
        }
        match options_of(flags.trim()) {
            Some(options) => differences.extend(compare_step(&files, step, &world, &options)),
            None => differences.push("the cluster of this case is not an input of the translator".to_owned()),
        }
    }
    differences
}

fn list_cases() -> BTreeSet<String> {
    let entries = fs::read_dir(recordings()).expect("recordings");
    let names = entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"));
    names
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect()
}

fn read_list(name: &str) -> Vec<String> {
    let text = fs::read_to_string(recordings().join(name)).expect("list");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn covered_cases_are_rendered_byte_for_byte() {
    let covered: BTreeSet<_> = read_list("covered.txt").into_iter().collect();
    let mut failures = Vec::new();
    for name in &covered {
        let differences = compare_case(name);
        if !differences.is_empty() {
            failures.push(format!("{name}: {}", differences.join("\n  ")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        covered.len(),
        failures.join("\n")
    );
}

#[test]
fn every_other_case_has_its_reason() {
    let covered = read_list("covered.txt");
    let different = read_list("different.txt");
    let mut listed = BTreeSet::from_iter(covered);
    for line in different {
        let (name, reason) = line.split_once(": ").expect("case: reason");
        assert!(!reason.is_empty(), "{name} has no reason");
        assert!(
            !compare_case(name).is_empty(),
            "{name} is the same and not listed as covered"
        );
        listed.insert(name.to_owned());
    }
    assert_eq!(listed, list_cases());
}
