//! A scripted model on loopback that speaks the part of OpenAI's API which agents use: chat completions, whole or
//! streamed, with tool calls. It thinks nothing: a script maps each request to its answer.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::post,
};
use futures::stream;
use kagent_core::tasks::Tasks;
use serde_json::{Value, json};

/// What the model answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Words, in the pieces in which they are streamed.
    Text(Vec<&'static str>),
    /// As [`Reply::Text`], in one piece that is made from the request.
    Echo(String),
    /// A call of one of the tools in the request.
    ToolCall {
        /// Name of the tool.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
}

type Script = dyn Fn(&Value) -> Reply + Send + Sync;

#[derive(Clone)]
struct ModelState {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Value>>>,
}

/// A running model; it ends when this is dropped.
pub struct ModelServer {
    address: SocketAddr,
    state: ModelState,
    tasks: Tasks,
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.tasks.shutdown_token().cancel();
    }
}

impl ModelServer {
    /// Starts a model that answers as `script` says.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(script: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let state = ModelState {
            script: Arc::new(script),
            requests: Arc::default(),
        };
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot open a port for the model")?;
        let address = listener.local_addr()?;
        let (tasks, _ends) = Tasks::new();
        let stop = tasks.shutdown_token().clone().cancelled_owned();
        tasks.spawn("model", async move {
            // A model that fails is seen by the test as an agent without answers.
            let _ = axum::serve(listener, app).with_graceful_shutdown(stop).await;
        });
        Ok(Self { address, state, tasks })
    }

    /// The base URL for a ModelConfig.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All requests until now.
    pub fn requests(&self) -> Vec<Value> {
        self.state
            .requests
            .lock()
            .map(|requests| requests.clone())
            .unwrap_or_default()
    }
}

/// The text of the last message of a request that has this role.
pub fn find_last_text(request: &Value, role: &str) -> Option<String> {
    let messages = request["messages"].as_array()?;
    let message = messages.iter().rev().find(|message| message["role"] == role)?;
    match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    }
}

/// Role of the last message of a request.
pub fn find_last_role(request: &Value) -> Option<&str> {
    request["messages"].as_array()?.last()?["role"].as_str()
}

/// Names of the tools that a request offers.
pub fn list_tools(request: &Value) -> Vec<String> {
    let tools = request["tools"].as_array().into_iter().flatten();
    tools
        .filter_map(|tool| Some(tool["function"]["name"].as_str()?.to_owned()))
        .collect()
}

async fn complete(State(state): State<ModelState>, Json(request): Json<Value>) -> Response {
    let reply = (state.script)(&request);
    let streamed = request["stream"] == true;
    let model = request["model"].clone();
    if let Ok(mut requests) = state.requests.lock() {
        requests.push(request);
    }
    if streamed {
        let events = build_chunks(&model, &reply)
            .into_iter()
            .map(|chunk| Event::default().data(chunk.to_string()))
            .chain([Event::default().data("[DONE]")])
            .map(Ok::<_, Infallible>);
        return Sse::new(stream::iter(events))
            .keep_alive(KeepAlive::default())
            .into_response();
    }
    Json(build_completion(&model, &reply)).into_response()
}

fn build_completion(model: &Value, reply: &Reply) -> Value {
    let (message, reason) = match reply {
        Reply::Text(pieces) => (json!({"role": "assistant", "content": pieces.concat()}), "stop"),
        Reply::Echo(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Reply::ToolCall { name, arguments } => {
            let call = json!({
                "id": "call_1",
                "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()},
            });
            (
                json!({"role": "assistant", "content": null, "tool_calls": [call]}),
                "tool_calls",
            )
        }
    };
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

fn build_chunks(model: &Value, reply: &Reply) -> Vec<Value> {
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        })
    };
    let words = |text: &str| chunk(json!({"content": text}), Value::Null);
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    let reason = match reply {
        Reply::Text(pieces) => {
            chunks.extend(pieces.iter().map(|piece| words(piece)));
            "stop"
        }
        Reply::Echo(text) => {
            chunks.push(words(text));
            "stop"
        }
        Reply::ToolCall { name, arguments } => {
            let call = json!({
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()},
            });
            chunks.push(chunk(json!({"tool_calls": [call]}), Value::Null));
            "tool_calls"
        }
    };
    chunks.push(chunk(json!({}), json!(reason)));
    chunks
}
