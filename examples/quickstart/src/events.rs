//! What a turn tells its caller: status updates, tool calls, artifacts, and a stream that carries them.

use std::collections::HashMap;

use a2a::{
    A2AError, Artifact, ArtifactId, Message, Part, Role, StreamResponse, Task, TaskArtifactUpdateEvent, TaskState,
    TaskStatus, TaskStatusUpdateEvent,
};
use a2a_server::ExecutorContext;
use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future,
    stream::{self, BoxStream},
};
use serde_json::{Value, json};

/// Where a turn puts its events; they reach the caller at once.
pub(crate) struct Events {
    task_id: String,
    context_id: String,
    sender: mpsc::Sender<Result<StreamResponse, A2AError>>,
}

/// Runs a turn and hands out its events while it runs.
pub(crate) fn stream_events<F>(
    context: &ExecutorContext,
    turn: impl FnOnce(Events) -> F,
) -> BoxStream<'static, Result<StreamResponse, A2AError>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(0);
    let turn = turn(Events {
        task_id: context.task_id.clone(),
        context_id: context.context_id.clone(),
        sender,
    });
    // The turn runs as a part of the stream that yields nothing, so it stops when nobody reads any more.
    let turn = stream::once(turn).filter_map(|()| future::ready(None));
    stream::select(receiver, turn).boxed()
}

impl Events {
    /// The task itself, which opens the first turn of a conversation.
    pub(crate) async fn open_task(&mut self, message: Option<Message>) {
        let task = Task {
            id: self.task_id.clone(),
            context_id: self.context_id.clone(),
            status: build_status(TaskState::Submitted, None),
            artifacts: None,
            history: message.map(|message| vec![message]),
            metadata: None,
        };
        self.send(StreamResponse::Task(task)).await;
    }

    /// The agent's words while it works, or with which it ends or asks.
    pub(crate) async fn say(&mut self, state: TaskState, text: impl Into<String>) {
        self.update(state, vec![Part::text(text)]).await;
    }

    /// A call of one of the agent's tools, in the form in which kagent's UI shows it.
    pub(crate) async fn tool_called(&mut self, id: &str, name: &str, args: Value) {
        let data = json!({"id": id, "name": name, "args": args});
        self.update(TaskState::Working, vec![build_tool_part("function_call", data)])
            .await;
    }

    /// What the tool answered.
    pub(crate) async fn tool_answered(&mut self, id: &str, name: &str, response: Value) {
        let data = json!({"id": id, "name": name, "response": response});
        self.update(TaskState::Working, vec![build_tool_part("function_response", data)])
            .await;
    }

    /// One piece of an artifact; the first piece makes it.
    pub(crate) async fn artifact(&mut self, id: &ArtifactId, name: &str, part: Part, append: bool, last: bool) {
        let event = TaskArtifactUpdateEvent {
            task_id: self.task_id.clone(),
            context_id: self.context_id.clone(),
            artifact: Artifact {
                artifact_id: id.clone(),
                name: Some(name.to_owned()),
                description: None,
                parts: vec![part],
                metadata: None,
                extensions: None,
            },
            append: Some(append),
            last_chunk: Some(last),
            metadata: None,
        };
        self.send(StreamResponse::ArtifactUpdate(event)).await;
    }

    async fn update(&mut self, state: TaskState, parts: Vec<Part>) {
        let message = Message {
            context_id: Some(self.context_id.clone()),
            task_id: Some(self.task_id.clone()),
            ..Message::new(Role::Agent, parts)
        };
        let event = TaskStatusUpdateEvent {
            task_id: self.task_id.clone(),
            context_id: self.context_id.clone(),
            status: build_status(state, Some(message)),
            metadata: None,
        };
        self.send(StreamResponse::StatusUpdate(event)).await;
    }

    async fn send(&mut self, event: StreamResponse) {
        // A closed channel means that the stream is being dropped, and this turn with it.
        let _ = self.sender.send(Ok(event)).await;
    }
}

/// The SDK adds the time.
fn build_status(state: TaskState, message: Option<Message>) -> TaskStatus {
    TaskStatus {
        state,
        message,
        timestamp: None,
    }
}

fn build_tool_part(kind: &str, data: Value) -> Part {
    Part {
        metadata: Some(HashMap::from([("kagent_type".to_owned(), json!(kind))])),
        ..Part::data(data)
    }
}
