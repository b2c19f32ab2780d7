//! What the types accept and what they write: odd objects must not break the list they are in, and absent stays absent.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

use kagent_api::v1alpha2::{
    Agent, AgentType, DeclarativeRuntime, FromNamespaces, MCPServer, ModelConfig, ModelProvider, ModelProviderConfig,
    RemoteMCPServer, ToolType,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn mk_object(kind: &str, spec: Value) -> Value {
    json!({ "apiVersion": "kagent.dev/v1alpha2", "kind": kind, "metadata": { "name": "x" }, "spec": spec })
}

fn parse<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

#[track_caller]
fn assert_survives<T: DeserializeOwned + Serialize>(object: Value) {
    assert_eq!(serde_json::to_value(parse::<T>(object.clone())).unwrap(), object);
}

#[test]
fn unknown_fields_are_ignored_at_every_level() {
    let agent: Agent = parse(mk_object(
        "Agent",
        json!({ "later": 1, "declarative": { "later": 1, "tools": [{ "later": 1, "mcpServer": { "name": "t", "later": 1 } }] } }),
    ));
    let declarative = agent.spec.declarative.unwrap();
    assert_eq!(declarative.tools()[0].mcp_server.as_ref().unwrap().reference.name, "t");
}

#[test]
fn tools_without_a_type_or_with_an_unknown_one_are_kept() {
    let agent: Agent = parse(mk_object(
        "Agent",
        json!({ "declarative": { "tools": [{ "agent": { "name": "a" } }, { "type": "Odd" }, { "type": "Agent" }] } }),
    ));
    let declarative = agent.spec.declarative.unwrap();
    let types: Vec<_> = declarative.tools().iter().map(|tool| tool.type_.clone()).collect();
    assert_eq!(
        types,
        [None, Some(ToolType::Other("Odd".into())), Some(ToolType::Agent)]
    );
}

#[test]
fn objects_without_a_spec_are_accepted() {
    let object = json!({ "apiVersion": "kagent.dev/v1alpha2", "kind": "x", "metadata": { "name": "x" } });
    assert_eq!(parse::<Agent>(object.clone()).spec.agent_type(), AgentType::Declarative);
    assert_eq!(
        parse::<ModelConfig>(object.clone()).spec.provider(),
        ModelProvider::OpenAI
    );
    assert_eq!(parse::<ModelProviderConfig>(object.clone()).spec.endpoint, None);
    assert_eq!(parse::<RemoteMCPServer>(object.clone()).spec.url, "");
    assert_eq!(parse::<MCPServer>(object).spec.timeout, None);
}

#[test]
fn required_fields_that_are_missing_are_empty() {
    let agent: Agent = parse(mk_object(
        "Agent",
        json!({ "declarative": {
            "systemMessageFrom": {}, "memory": {}, "a2aConfig": { "skills": [{}] },
            "tools": [{ "mcpServer": {}, "agent": {}, "headersFrom": [{}] }], "promptTemplate": { "dataSources": [{}] },
        }, "skills": { "gitRefs": [{}] } }),
    ));
    assert_eq!(agent.spec.skills.unwrap().git_refs.unwrap()[0].url, "");
    let model: ModelConfig = parse(mk_object(
        "ModelConfig",
        json!({ "openAI": { "tokenExchange": { "gdchServiceAccount": {} } }, "azureOpenAI": {}, "geminiVertexAI": {},
            "anthropicVertexAI": {}, "bedrock": {}, "sapAICore": {} }),
    ));
    assert_eq!(model.spec.model, "");
    parse::<ModelProviderConfig>(mk_object("ModelProviderConfig", json!({ "secretRef": {} })));
    parse::<RemoteMCPServer>(mk_object(
        "RemoteMCPServer",
        json!({ "headersFrom": [{ "valueFrom": {} }] }),
    ));
}

#[test]
fn null_is_the_same_as_absent() {
    let agent: Agent = parse(mk_object(
        "Agent",
        json!({ "type": null, "declarative": { "tools": null, "runtime": null, "deployment": { "env": null, "labels": null } } }),
    ));
    assert_eq!(agent.spec.declarative.unwrap().runtime(), DeclarativeRuntime::Python);
}

#[test]
fn unknown_enum_values_survive_a_round_trip() {
    assert_survives::<Agent>(mk_object(
        "Agent",
        json!({ "type": "Later", "declarative": { "runtime": "rust" }, "allowedNamespaces": { "from": "Some" } }),
    ));
    assert_survives::<ModelConfig>(mk_object("ModelConfig", json!({ "model": "m", "provider": "Later" })));
    assert_eq!(
        serde_json::to_value(FromNamespaces::Other("Some".into())).unwrap(),
        "Some"
    );
}

#[test]
fn absent_fields_are_not_written() {
    assert_survives::<Agent>(mk_object("Agent", json!({})));
    assert_survives::<Agent>(mk_object(
        "Agent",
        json!({ "declarative": { "deployment": {}, "tools": [{}] }, "byo": {} }),
    ));
    assert_survives::<RemoteMCPServer>(mk_object(
        "RemoteMCPServer",
        json!({ "description": "d", "url": "http://x" }),
    ));
    assert_survives::<ModelConfig>(mk_object(
        "ModelConfig",
        json!({ "model": "m", "gemini": {}, "tls": {} }),
    ));
}

#[test]
fn flattened_fields_stand_beside_their_own() {
    assert_survives::<Agent>(mk_object(
        "Agent",
        json!({
            "type": "BYO",
            "byo": { "deployment": {
                "args": ["--port", "$(PORT)"], "cmd": "agent", "image": "example.com/agent:1", "replicas": 2,
                "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "key": "k", "name": "s" } } }],
                "resources": { "limits": { "cpu": "500m" } },
            } },
            "declarative": {
                "deployment": { "imageRegistry": "example.com", "labels": { "a": "b" } },
                "promptTemplate": { "dataSources": [{ "alias": "p", "kind": "ConfigMap", "name": "prompts" }] },
                "tools": [{ "type": "McpServer", "mcpServer": {
                    "apiGroup": "kagent.dev", "kind": "RemoteMCPServer", "name": "t", "namespace": "n", "toolNames": ["a"],
                } }],
            },
        }),
    ));
}

#[test]
fn statuses_survive_a_round_trip() {
    let condition = json!({
        "lastTransitionTime": "2026-07-20T10:00:00Z", "message": "ok", "reason": "Reconciled", "status": "True", "type": "Accepted",
    });
    let mut object = mk_object("ModelProviderConfig", json!({ "type": "Ollama" }));
    object["status"] = json!({
        "conditions": [condition], "discoveredModels": ["m"], "lastDiscoveryTime": "2026-07-20T10:00:00Z", "modelCount": 1,
        "observedGeneration": 3, "secretHash": "00",
    });
    assert_survives::<ModelProviderConfig>(object);
}
