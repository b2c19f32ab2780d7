//! What the agent does in a turn: find out which folder is meant, or ask; survey it step by step; report.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use a2a::{A2AError, Message, Part, StreamResponse, TaskState, new_artifact_id};
use a2a_server::{AgentExecutor, ExecutorContext};
use futures::stream::BoxStream;
use serde_json::json;

use crate::{
    events::{Events, stream_events},
    survey::{Survey, list_entries, survey},
};

/// Between two steps, so that a person can see the stream move.
const PACE: Duration = Duration::from_millis(60);
/// Folders named when the agent asks back.
const SUGGESTED: usize = 8;

/// The agent. It looks below one folder only.
pub(crate) struct Scout {
    root: PathBuf,
}

impl Scout {
    /// An agent that looks below `root`, which must be canonical.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl AgentExecutor for Scout {
    fn execute(&self, context: ExecutorContext) -> BoxStream<'static, Result<StreamResponse, A2AError>> {
        let root = self.root.clone();
        // A task that waits for an answer is there already; any other is opened by this turn.
        let answers = context
            .stored_task
            .as_ref()
            .is_some_and(|task| task.status.state == TaskState::InputRequired);
        let message = context.message.clone();
        stream_events(&context, move |mut events| async move {
            let text = message.as_ref().map(read_text).unwrap_or_default();
            if !answers {
                events.open_task(message).await;
            }
            match find_folder(&root, &text) {
                Some(folder) => report(&mut events, &root, &folder).await,
                None => ask(&mut events, &root, answers).await,
            }
        })
    }

    fn cancel(&self, context: ExecutorContext) -> BoxStream<'static, Result<StreamResponse, A2AError>> {
        stream_events(&context, |mut events| async move {
            events.say(TaskState::Canceled, "All right, I stop here.").await;
        })
    }
}

/// Asks which folder is meant. The caller's next message with this task's id is the answer.
async fn ask(events: &mut Events, root: &Path, again: bool) {
    let folders: Vec<_> = list_entries(root)
        .unwrap_or_default()
        .into_iter()
        .filter(|path| path.is_dir() && !is_hidden(path))
        .map(|path| show_path(root, &path))
        .take(SUGGESTED)
        .collect();
    let question = match again {
        false => "Which folder shall I look at?",
        true => "I know no such folder. Which one shall I look at?",
    };
    let text = format!("{question} I can see: {}.", folders.join(", "));
    events.say(TaskState::InputRequired, text).await;
}

/// Surveys `folder` entry by entry and reports.
async fn report(events: &mut Events, root: &Path, folder: &Path) {
    let shown = show_path(root, folder);
    events
        .say(TaskState::Working, format!("I go and look at {shown}."))
        .await;
    let entries = match list_entries(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let text = format!("I cannot look into {shown}: {error}");
            return events.say(TaskState::Failed, text).await;
        }
    };
    events
        .tool_called("survey-1", "survey_folder", json!({"folder": shown}))
        .await;
    let mut all = Survey::default();
    for entry in entries {
        tokio::time::sleep(PACE).await;
        let path = entry.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || survey(&path)).await else {
            return events.say(TaskState::Failed, "My survey broke off.").await;
        };
        let count = found.total();
        if entry.is_dir() {
            let text = format!(
                "{}: {} files, {} lines",
                show_path(root, &entry),
                count.files,
                count.lines
            );
            events.say(TaskState::Working, text).await;
        }
        all.merge(found);
    }
    let numbers = all.to_json(root);
    events.tool_answered("survey-1", "survey_folder", numbers.clone()).await;

    let id = new_artifact_id();
    let name = "Survey";
    let lines = build_report(&shown, root, &all);
    for (index, line) in lines.into_iter().enumerate() {
        let part = Part::text(line).with_media_type("text/markdown");
        events.artifact(&id, name, part, index > 0, false).await;
    }
    let part = Part::data(numbers).with_media_type("application/json");
    events.artifact(&id, name, part, true, true).await;
    let total = all.total();
    let text = format!("Done: {} files with {} lines in {shown}.", total.files, total.lines);
    events.say(TaskState::Completed, text).await;
}

/// The report as Markdown, in pieces that make sense as they arrive.
fn build_report(shown: &str, root: &Path, survey: &Survey) -> Vec<String> {
    let mut pieces = vec![format!(
        "## {shown}\n\n| Kind | Files | Lines | Bytes |\n|---|---:|---:|---:|\n"
    )];
    let mut kinds: Vec<_> = survey.kinds.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
    for (kind, count) in kinds {
        pieces.push(format!(
            "| {kind} | {} | {} | {} |\n",
            count.files, count.lines, count.bytes
        ));
    }
    let largest: Vec<_> = survey
        .largest
        .iter()
        .map(|(path, bytes)| format!("{} ({bytes} bytes)", show_path(root, path)))
        .collect();
    if !largest.is_empty() {
        pieces.push(format!("\nLargest: {}.\n", largest.join(", ")));
    }
    if survey.cut_short {
        pieces.push("\nThere is more than I could count.\n".to_owned());
    }
    pieces
}

/// The first word of the text that is a folder below `root`.
fn find_folder(root: &Path, text: &str) -> Option<PathBuf> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|char: char| "\"'`?!,;:()".contains(char)))
        .filter(|word| !word.is_empty())
        .filter_map(|word| root.join(word).canonicalize().ok())
        .find(|path| path.is_dir() && path.starts_with(root))
}

fn read_text(message: &Message) -> String {
    let texts: Vec<_> = message.parts.iter().filter_map(Part::as_text).collect();
    texts.join(" ")
}

fn show_path(root: &Path, path: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        _ => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use a2a::{Role, Task, TaskStatus};
    use futures::StreamExt;

    use super::*;

    fn mk_root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("scout-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("notes/old")).unwrap();
        fs::write(root.join("notes/a.md"), "one\ntwo\n").unwrap();
        root.canonicalize().unwrap()
    }

    fn mk_context(text: &str, state: Option<TaskState>) -> ExecutorContext {
        ExecutorContext {
            message: Some(Message::new(Role::User, vec![Part::text(text)])),
            task_id: "t".to_owned(),
            stored_task: state.map(|state| Task {
                id: "t".to_owned(),
                context_id: "c".to_owned(),
                status: TaskStatus {
                    state,
                    message: None,
                    timestamp: None,
                },
                artifacts: None,
                history: None,
                metadata: None,
            }),
            context_id: "c".to_owned(),
            metadata: None,
            user: None,
            service_params: HashMap::new(),
            tenant: None,
        }
    }

    async fn run(root: &Path, text: &str, state: Option<TaskState>) -> Vec<StreamResponse> {
        let events = Scout::new(root.to_owned()).execute(mk_context(text, state));
        events.map(Result::unwrap).collect().await
    }

    fn last_status(events: &[StreamResponse]) -> (TaskState, String) {
        let Some(StreamResponse::StatusUpdate(event)) = events.last() else {
            panic!("{events:?}");
        };
        let message = event.status.message.as_ref().map(read_text);
        (event.status.state.clone(), message.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_named_folder_is_surveyed_and_reported() {
        let root = mk_root("named");
        let events = run(&root, "What is in \"notes\"?", None).await;
        assert!(matches!(events[0], StreamResponse::Task(_)));
        let pieces = events
            .iter()
            .filter(|event| matches!(event, StreamResponse::ArtifactUpdate(_)))
            .count();
        assert_eq!(pieces, 4, "head, one kind, largest, numbers");
        assert_eq!(
            last_status(&events),
            (TaskState::Completed, "Done: 1 files with 2 lines in notes.".to_owned())
        );
        fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn without_a_folder_it_asks_and_the_answer_continues_the_task() {
        let root = mk_root("asks");
        let (state, text) = last_status(&run(&root, "hello", None).await);
        assert_eq!(state, TaskState::InputRequired);
        assert_eq!(text, "Which folder shall I look at? I can see: notes.");
        let answered = run(&root, "notes", Some(TaskState::InputRequired)).await;
        assert!(matches!(answered[0], StreamResponse::StatusUpdate(_)));
        assert_eq!(last_status(&answered).0, TaskState::Completed);
        fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn it_does_not_look_outside_its_folder() {
        let root = mk_root("outside");
        for text in ["..", "/etc", "notes/../.."] {
            assert_eq!(
                last_status(&run(&root, text, None).await).0,
                TaskState::InputRequired,
                "{text}"
            );
        }
        fs::remove_dir_all(root).unwrap();
    }
}
