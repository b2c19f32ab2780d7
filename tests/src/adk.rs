//! Declarative agents on the unmodified `kagent-adk`, and the A2A 0.3 that it speaks.

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use serde_json::{Value, json};

/// Manifests of a model at `base_url` and its key.
pub fn mk_model(name: &str, base_url: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}-key, namespace: kagent}}
stringData: {{OPENAI_API_KEY: sk-scripted}}
---
apiVersion: kagent.dev/v1alpha2
kind: ModelConfig
metadata: {{name: {name}, namespace: kagent}}
spec:
  provider: OpenAI
  model: scripted
  apiKeySecret: {name}-key
  apiKeySecretKey: OPENAI_API_KEY
  openAI: {{baseUrl: '{base_url}'}}
"
    )
}

/// Manifest of an agent that streams, thinks with `model`, and has other agents as tools.
pub fn mk_agent(name: &str, model: &str, tools: &[&str]) -> String {
    let tools: Vec<Value> = tools
        .iter()
        .map(|tool| json!({"type": "Agent", "agent": {"name": tool}}))
        .collect();
    let agent = json!({
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": "kagent"},
        "spec": {
            "type": "Declarative",
            "description": format!("The agent {name}."),
            "declarative": {
                "modelConfig": model,
                "stream": true,
                "systemMessage": format!("You are {name}."),
                "tools": tools,
            },
        },
    });
    // JSON is YAML.
    agent.to_string()
}

/// A JSON-RPC request of A2A 0.3 with a message.
pub fn mk_request(method: &str, message_id: &str, text: &str) -> Value {
    let message = json!({
        "kind": "message",
        "messageId": message_id,
        "role": "user",
        "parts": [{"kind": "text", "text": text}],
    });
    json!({"jsonrpc": "2.0", "id": message_id, "method": method, "params": {"message": message}})
}

/// The result of a unary answer.
///
/// # Errors
/// When the answer is an error or not JSON-RPC.
pub async fn read_result(answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    let mut body: Value = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
    if body.get("error").is_some_and(|error| !error.is_null()) {
        bail!("{status}: {body}");
    }
    Ok(body["result"].take())
}

/// The results of all events of a stream.
///
/// # Errors
/// When the answer is no stream, breaks, or has an error in it.
pub async fn read_events(answer: reqwest::Response) -> Result<Vec<Value>> {
    let content_type = answer.headers().get("content-type").cloned();
    if content_type
        .as_ref()
        .is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream"))
    {
        bail!("{}: no stream: {}", answer.status(), answer.text().await?);
    }
    let mut bytes = answer.bytes_stream();
    let mut text = Vec::new();
    while let Some(chunk) = bytes.next().await {
        text.extend_from_slice(&chunk.context("the stream broke")?);
    }
    let text = String::from_utf8(text).context("the stream is not text")?;
    let mut results = Vec::new();
    for line in text.lines() {
        if let Some(data) = line.strip_prefix("data:") {
            let mut event: Value = serde_json::from_str(data).with_context(|| format!("not JSON: {data}"))?;
            if event.get("error").is_some_and(|error| !error.is_null()) {
                bail!("an event is an error: {event}");
            }
            results.push(event["result"].take());
        }
    }
    Ok(results)
}

/// All text in the artifacts of a task.
pub fn read_artifacts(task: &Value) -> String {
    let artifacts = task["artifacts"].as_array().into_iter().flatten();
    let parts = artifacts.flat_map(|artifact| artifact["parts"].as_array().into_iter().flatten());
    parts.filter_map(|part| part["text"].as_str()).collect()
}
