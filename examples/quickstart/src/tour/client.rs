//! A small A2A and REST client: enough to talk to an agent through the server, and short enough to read.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use serde_json::{Value, json};
use sse_stream::SseStream;
use tokio::time::timeout;

/// A stream that says nothing for this long is broken; the server sends comments more often than that.
const IDLE: Duration = Duration::from_secs(60);
/// One request with one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Talks to one server.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

/// Whether an agent can be talked to.
pub(crate) enum AgentState {
    Ready,
    /// What it waits for or lacks, in the words of its conditions.
    NotReady(String),
}

/// Where a turn ended.
pub(crate) struct TurnEnd {
    pub(crate) task_id: String,
    pub(crate) context_id: String,
    /// `completed`, `input-required`, …
    pub(crate) state: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(IDLE)
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    /// Whether the server answers.
    pub(crate) async fn is_healthy(&self) -> bool {
        let answer = self.http.get(format!("{}/health", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// How an agent is.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn fetch_agent(&self, namespace: &str, name: &str) -> Result<AgentState> {
        let url = format!("{}/api/agents/{namespace}/{name}", self.url);
        let answer = self.http.get(url).timeout(ANSWER_WITHIN).send().await?;
        if !answer.status().is_success() {
            return Ok(AgentState::NotReady(format!("the server does not know {name} yet")));
        }
        let body: Value = answer.json().await?;
        let agent = &body["data"];
        if agent["deploymentReady"] == true && agent["accepted"] == true {
            return Ok(AgentState::Ready);
        }
        let conditions = agent["agent"]["status"]["conditions"].as_array();
        let reasons: Vec<_> = conditions
            .into_iter()
            .flatten()
            .filter(|condition| condition["status"] != "True")
            .filter_map(|condition| condition["message"].as_str())
            .collect();
        Ok(AgentState::NotReady(match reasons.is_empty() {
            true => format!("{name} is starting"),
            false => format!("{name}: {}", reasons.join("; ")),
        }))
    }

    /// Sends a message in A2A 1.0 and returns the task.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub(crate) async fn send_message(
        &self,
        namespace: &str,
        agent: &str,
        text: &str,
        follows: Option<&TurnEnd>,
    ) -> Result<Value> {
        let request = build_request("SendMessage", build_message(text, follows));
        let mut result = self.call(namespace, agent, "1.0", &request).await?;
        Ok(result["task"].take())
    }

    /// Sends a message in A2A 0.3, which is what kagent-adk speaks, and returns the task.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub(crate) async fn send_message_v03(&self, namespace: &str, agent: &str, text: &str) -> Result<Value> {
        let message = json!({
            "kind": "message",
            "messageId": new_message_id(),
            "role": "user",
            "parts": [{"kind": "text", "text": text}],
        });
        self.call(namespace, agent, "0.3", &build_request("message/send", message))
            .await
    }

    /// Sends a message in A2A 1.0 and hands each event to `show` as it comes.
    ///
    /// # Errors
    /// When the stream breaks, or an event is an error.
    pub(crate) async fn stream_message(
        &self,
        namespace: &str,
        agent: &str,
        text: &str,
        follows: Option<&TurnEnd>,
        show: impl Fn(&Value),
    ) -> Result<TurnEnd> {
        let request = build_request("SendStreamingMessage", build_message(text, follows));
        let answer = self.post(namespace, agent, "1.0", &request).await?;
        let mut events = SseStream::from_bytes_stream(answer.bytes_stream());
        let mut end = TurnEnd {
            task_id: String::new(),
            context_id: String::new(),
            state: String::new(),
        };
        while let Some(event) = timeout(IDLE, events.next()).await.context("the stream fell silent")? {
            let Some(data) = event.context("the stream broke")?.data else {
                continue;
            };
            let response: Value = serde_json::from_str(&data).context("an event is not JSON")?;
            let result = take_result(response)?;
            show(&result);
            end.note(&result);
        }
        Ok(end)
    }

    async fn call(&self, namespace: &str, agent: &str, version: &str, request: &Value) -> Result<Value> {
        let answer = timeout(ANSWER_WITHIN, self.post(namespace, agent, version, request))
            .await
            .context("no answer in time")??;
        take_result(answer.json().await.context("the answer is not JSON")?)
    }

    async fn post(&self, namespace: &str, agent: &str, version: &str, request: &Value) -> Result<reqwest::Response> {
        let answer = self
            .http
            .post(format!("{}/api/a2a/{namespace}/{agent}/", self.url))
            .header("A2A-Version", version)
            .json(request)
            .send()
            .await
            .context("the server does not answer")?;
        if !answer.status().is_success() {
            let status = answer.status();
            bail!("{agent}: {status}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(answer)
    }
}

impl TurnEnd {
    fn note(&mut self, result: &Value) {
        let (update, id) = match (&result["task"], &result["statusUpdate"]) {
            (Value::Null, update) => (update, "taskId"),
            (task, _) => (task, "id"),
        };
        if let (Some(task_id), Some(context_id)) = (update[id].as_str(), update["contextId"].as_str()) {
            self.task_id = task_id.to_owned();
            self.context_id = context_id.to_owned();
            self.state = read_state(&update["status"]["state"]);
        }
    }
}

/// Whether a reason says that an agent is on its way, rather than what it lacks.
pub(crate) fn is_starting(reason: &str) -> bool {
    reason.ends_with("starting") || reason.ends_with("yet")
}

/// A state in the words of 0.3, which are shorter: `TASK_STATE_INPUT_REQUIRED` is `input-required`.
pub(crate) fn read_state(state: &Value) -> String {
    let state = state.as_str().unwrap_or_default();
    state.trim_start_matches("TASK_STATE_").to_lowercase().replace('_', "-")
}

fn build_message(text: &str, follows: Option<&TurnEnd>) -> Value {
    let mut message = json!({"messageId": new_message_id(), "role": "ROLE_USER", "parts": [{"text": text}]});
    if let Some(turn) = follows {
        message["taskId"] = json!(turn.task_id);
        message["contextId"] = json!(turn.context_id);
    }
    message
}

fn build_request(method: &str, message: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}})
}

fn take_result(mut response: Value) -> Result<Value> {
    if let Some(error) = response.get("error").filter(|error| !error.is_null()) {
        bail!(
            "the answer is an error: {}",
            error["message"].as_str().unwrap_or("unknown")
        );
    }
    Ok(response["result"].take())
}

fn new_message_id() -> String {
    a2a::new_message_id()
}
