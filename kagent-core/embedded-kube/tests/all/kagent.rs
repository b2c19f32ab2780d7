//! The kinds of a kagent 0.9.12 install: what a real API server refused, in its words, and what it filled in.

use std::{fs, path::Path};

use embedded_kube::EmbeddedKube;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::PostParams,
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};

use crate::support::{config_map, config_maps, refusal};

fn install() -> Client {
    let server = EmbeddedKube::builder().build().expect("a server");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/crds");
    let definitions: Vec<CustomResourceDefinition> = fs::read_dir(dir)
        .expect("the recorded definitions")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| serde_json::from_slice(&fs::read(path).expect("a file")).expect("a definition"))
        .collect();
    assert_eq!(definitions.len(), 9);
    server.install_crds(definitions).expect("all are accepted as they are");
    server.client()
}

fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let kind = ApiResource {
        group: "kagent.dev".into(),
        version: "v1alpha2".into(),
        api_version: "kagent.dev/v1alpha2".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    Api::namespaced_with(client.clone(), "default", &kind)
}

fn object(kind: &str, name: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(
        json!({ "apiVersion": "kagent.dev/v1alpha2", "kind": kind, "metadata": { "name": name }, "spec": spec }),
    )
    .expect("an object")
}

/// Bodies and messages of rest/agents/agents-invalid, rest/modelconfigs/modelconfigs-errors and
/// rest/toolservers/toolservers-errors.
#[tokio::test]
async fn refusals_are_word_for_word_those_of_a_real_api_server() {
    const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
    const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let declarative = |more: Value| {
        let mut spec = json!({ "type": "Declarative", "description": "an agent", "declarative": { "modelConfig": "m1", "systemMessage": "You help." } });
        spec["declarative"]
            .as_object_mut()
            .expect("fields")
            .extend(more.as_object().cloned().expect("fields"));
        spec
    };
    let tool = |more: Value| {
        let mut spec =
            json!({ "description": "d", "protocol": "STREAMABLE_HTTP", "url": "http://127.0.0.1:28080/mcp" });
        spec.as_object_mut()
            .expect("fields")
            .extend(more.as_object().cloned().expect("fields"));
        spec
    };
    let cases = [
        ("Agent", "a/b", declarative(json!({})), format!("metadata.name: Invalid value: \"a/b\": {SUBDOMAIN}")),
        (
            "Agent",
            "cel-rt",
            declarative(json!({ "runtime": "java" })),
            format!("[spec.declarative.runtime: Unsupported value: \"java\": supported values: \"python\", \"go\", {UNCHECKED}]"),
        ),
        (
            "Agent",
            "cel-sa",
            json!({ "type": "BYO", "byo": { "deployment": { "image": "x", "serviceAccountName": "a", "serviceAccountConfig": { "labels": { "a": "b" } } } } }),
            "spec.byo.deployment: Invalid value: serviceAccountName and serviceAccountConfig are mutually exclusive".to_owned(),
        ),
        (
            "ModelConfig",
            "e3",
            json!({ "model": "m", "provider": "Acme" }),
            format!("[spec.provider: Unsupported value: \"Acme\": supported values: \"Anthropic\", \"OpenAI\", \"AzureOpenAI\", \"Ollama\", \"Gemini\", \"GeminiVertexAI\", \"AnthropicVertexAI\", \"Bedrock\", \"SAPAICore\", {UNCHECKED}]"),
        ),
        (
            "ModelConfig",
            "e5",
            json!({ "model": "m", "provider": "OpenAI", "apiKeySecretKey": "k" }),
            "spec: Invalid value: apiKeySecret must be set if apiKeySecretKey is set".to_owned(),
        ),
        (
            "ModelConfig",
            "e6",
            json!({ "model": "m", "provider": "OpenAI", "ollama": { "host": "x" } }),
            "spec: Invalid value: provider.ollama must be nil if the provider is not Ollama".to_owned(),
        ),
        (
            "ModelConfig",
            "e12",
            json!({ "model": "m", "provider": "OpenAI", "tls": { "disableSystemCAs": true } }),
            "spec.tls: Invalid value: disableSystemCAs requires caCertSecretRef or disableVerify (trust-nothing config rejects every upstream)".to_owned(),
        ),
        (
            "RemoteMCPServer",
            "x",
            json!({ "description": "d", "url": "" }),
            "spec.url: Invalid value: \"\": spec.url in body should be at least 1 chars long".to_owned(),
        ),
        (
            "RemoteMCPServer",
            "x",
            tool(json!({ "protocol": "STDIO" })),
            format!("[spec.protocol: Unsupported value: \"STDIO\": supported values: \"SSE\", \"STREAMABLE_HTTP\", {UNCHECKED}]"),
        ),
        (
            "RemoteMCPServer",
            "x",
            tool(json!({ "headersFrom": [{ "name": "A" }] })),
            "spec.headersFrom[0]: Invalid value: Exactly one of value or valueFrom must be specified".to_owned(),
        ),
        (
            "RemoteMCPServer",
            "x",
            tool(json!({ "tls": { "disableVerify": true } })),
            "spec: Invalid value: spec.tls must be unset when spec.url has http:// scheme: a TLS opinion contradicts a plaintext URL. Either drop spec.tls, or use https:// / a scheme-less URL.".to_owned(),
        ),
    ];
    let client = install();
    for (kind, name, spec, expected) in cases {
        let status = refusal(
            api(&client, kind)
                .create(&PostParams::default(), &object(kind, name, spec))
                .await,
        );
        assert_eq!(
            status.message,
            format!("{kind}.kagent.dev \"{name}\" is invalid: {expected}")
        );
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    }
}

#[tokio::test]
async fn defaults_of_the_definitions_are_filled_in() {
    let client = install();
    let spec = json!({ "description": "d", "url": "https://example.com/mcp" });
    let created = api(&client, "RemoteMCPServer")
        .create(&PostParams::default(), &object("RemoteMCPServer", "r", spec))
        .await
        .expect("created");
    let spec = &created.data["spec"];
    assert_eq!(
        (&spec["protocol"], &spec["terminateOnClose"], &spec["timeout"]),
        (&json!("STREAMABLE_HTTP"), &json!(true), &json!("30s"))
    );
}

/// rest/prompttemplates/prompttemplates-errors.
#[tokio::test]
async fn a_bad_key_of_a_config_map_is_refused() {
    let client = install();
    let status = refusal(
        config_maps(&client)
            .create(&PostParams::default(), &config_map("x", &[("a b", "v")]))
            .await,
    );
    assert_eq!(
        status.message,
        "ConfigMap \"x\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    );
}

/// rendered/azure-without-secret and rendered/skills-pull-secret-with-dot.
#[tokio::test]
async fn a_deployment_with_broken_references_is_refused() {
    let client = install();
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client, "default");
    let deployment = |name: &str, pod: Value| {
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": {
            "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": pod } } }))
        .expect("a deployment")
    };
    let pod = json!({ "containers": [{ "name": "c", "image": "i", "env": [{ "name": "K", "valueFrom": { "secretKeyRef": { "name": "", "key": "" } } }] }] });
    let status = refusal(
        deployments
            .create(&PostParams::default(), &deployment("solver", pod))
            .await,
    );
    assert_eq!(
        status.message,
        "Deployment.apps \"solver\" is invalid: [spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.name: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value]"
    );
    let pod = json!({
        "volumes": [{ "name": "a", "emptyDir": {} }, { "name": "pull-secret-reg.example", "emptyDir": {} }],
        "containers": [{ "name": "c", "image": "i" }],
        "initContainers": [{ "name": "i", "image": "i", "volumeMounts": [{ "name": "a", "mountPath": "/a" }, { "name": "pull-secret-reg.example", "mountPath": "/p" }] }],
    });
    let status = refusal(
        deployments
            .create(&PostParams::default(), &deployment("skilled", pod))
            .await,
    );
    assert_eq!(
        status.message,
        "Deployment.apps \"skilled\" is invalid: [spec.template.spec.volumes[1].name: Invalid value: \"pull-secret-reg.example\": must not contain dots, spec.template.spec.initContainers[0].volumeMounts[1].name: Not found: \"pull-secret-reg.example\"]"
    );
}
