//! The unmodified kagent-adk, started by standalone mode, answers through the server with a scripted model; what it
//! leaves behind is in the Store, is served by REST, and survives a restart.

use anyhow::{Context, Result, ensure};
use kagent_tests::{
    adk::{mk_agent, mk_model, mk_request, read_artifacts, read_events, read_result},
    model::{ModelServer, Reply, find_last_role, find_last_text, list_tools},
    requirements::find_adk,
    server::{ServerDirs, ServerProcess, show},
};
use serde_json::Value;

const USER: &str = "walker@example.com";

/// Greets; calls its first tool when it is asked to; passes on what the tool said.
fn script(request: &Value) -> Reply {
    if find_last_role(request) == Some("tool") {
        let said = find_last_text(request, "tool").unwrap_or_default();
        return Reply::Echo(format!("My peer says: {said}"));
    }
    let asked = find_last_text(request, "user").unwrap_or_default();
    match list_tools(request).first() {
        Some(tool) if asked.contains("Ask your peer") => Reply::ToolCall {
            name: tool.clone(),
            arguments: serde_json::json!({"request": "Greet, please."}),
        },
        _ => Reply::Text(vec!["Hello", " from", " the model"]),
    }
}

async fn send(server: &ServerProcess, agent: &str, id: &str, text: &str) -> Result<Value> {
    let request = mk_request("message/send", id, text);
    read_result(server.post_a2a(agent, USER, &request).await?).await
}

#[tokio::test]
async fn kagent_adk_answers_through_the_server_and_is_remembered() -> Result<()> {
    let adk = show(&find_adk()?);
    let model = ModelServer::start(script).await?;
    let dirs = ServerDirs::new()?;
    dirs.write_manifest("model.yaml", &mk_model("model", &model.base_url()))?;
    dirs.write_manifest("peer.yaml", &mk_agent("peer", "model", &[]))?;
    dirs.write_manifest("caller.yaml", &mk_agent("caller", "model", &["peer"]))?;
    let flags = ["--kagent-adk", adk.as_str(), "--standalone-start-timeout", "180s"];
    let server = ServerProcess::start(&dirs, &flags).await?;
    server.wait_for_agent("kagent/peer").await?;
    server.wait_for_agent("kagent/caller").await?;

    // One request, one answer.
    let task = send(&server, "kagent/peer", "m-1", "Say hello.")
        .await
        .with_context(|| server.read_log())?;
    assert_eq!(task["kind"], "task");
    assert_eq!(task["status"]["state"], "completed", "{task}");
    assert_eq!(read_artifacts(&task), "Hello from the model");

    // A stream: what the model says piece by piece, then the artifact, then the end.
    let request = mk_request("message/stream", "m-2", "Say hello again.");
    let events = read_events(server.post_a2a("kagent/peer", USER, &request).await?).await?;
    let partial: Vec<&str> = events
        .iter()
        .filter(|event| event["metadata"]["kagent_adk_partial"] == true)
        .filter_map(|event| event["status"]["message"]["parts"][0]["text"].as_str())
        .collect();
    assert_eq!(partial.concat(), "Hello from the model", "{events:?}");
    ensure!(partial.len() >= 3, "the pieces were put together: {partial:?}");
    let artifact = events.iter().find(|event| event["kind"] == "artifact-update");
    let artifact = artifact.context("no artifact")?;
    assert_eq!(artifact["artifact"]["parts"][0]["text"], "Hello from the model");
    let last = events.last().context("no events")?;
    assert_eq!(
        (&last["status"]["state"], &last["final"]),
        (&"completed".into(), &true.into())
    );

    // One agent calls the other as a tool, through the server.
    let task = send(&server, "kagent/caller", "m-3", "Ask your peer for a greeting.").await?;
    assert_eq!(task["status"]["state"], "completed", "{task}");
    let said = read_artifacts(&task);
    ensure!(
        said.starts_with("My peer says:") && said.contains("Hello from the model"),
        "{said}"
    );

    // The session, its events and its task.
    let session = task["contextId"].as_str().context("no contextId")?.to_owned();
    let task_id = task["id"].as_str().context("no id")?.to_owned();
    let before = read_memory(&server, &session).await?;
    before.check(&session, &task_id)?;

    // The same after a restart on the same state.
    let (status, _) = server.stop().await?;
    assert_eq!(status.code(), Some(0));
    let server = ServerProcess::start(&dirs, &flags).await?;
    let after = read_memory(&server, &session).await?;
    assert_eq!(before, after);
    let (status, _) = server.stop().await?;
    assert_eq!(status.code(), Some(0));
    Ok(())
}

/// What REST tells about a session.
#[derive(Debug, PartialEq)]
struct Memory {
    sessions: Value,
    session: Value,
    tasks: Value,
}

async fn read_memory(server: &ServerProcess, session: &str) -> Result<Memory> {
    let data = async |path: String| -> Result<Value> {
        let (status, mut body) = server.get(&path, USER).await?;
        ensure!(status == 200, "GET {path}: {status}: {body}");
        Ok(body["data"].take())
    };
    Ok(Memory {
        sessions: data("/api/sessions".to_owned()).await?,
        session: data(format!("/api/sessions/{session}")).await?,
        tasks: data(format!("/api/sessions/{session}/tasks")).await?,
    })
}

impl Memory {
    fn check(&self, session: &str, task: &str) -> Result<()> {
        let mut sessions = self.sessions.as_array().into_iter().flatten();
        ensure!(sessions.any(|found| found["id"] == session), "{}", self.sessions);
        assert_eq!(self.session["session"]["id"], session);
        assert_eq!(self.session["session"]["user_id"], USER);
        let events = self.session["events"].to_string();
        for part in ["Ask your peer", "Greet, please", "My peer says"] {
            ensure!(events.contains(part), "no event with {part:?}: {events}");
        }
        let mut tasks = self.tasks.as_array().into_iter().flatten();
        let found = tasks
            .find(|found| found["id"] == task)
            .context("the task is not in the session")?;
        assert_eq!(found["status"]["state"], "completed");
        ensure!(read_artifacts(found).contains("My peer says"), "{found}");
        Ok(())
    }
}
