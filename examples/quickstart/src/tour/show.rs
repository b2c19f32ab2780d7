//! What the person at the terminal sees.

use std::{io::Write, path::Path};

use serde_json::Value;

use crate::client::read_state;

/// What comes next.
pub(crate) fn headline(text: &str) {
    println!("\n== {text}");
}

/// A remark.
pub(crate) fn note(text: &str) {
    println!("   {text}");
}

/// Why it ends early.
pub(crate) fn failure(text: &str) {
    println!("\nquickstart failed: {text}");
}

/// What we said to the agent.
pub(crate) fn asked(text: &str) {
    println!("   you   > {text}");
}

/// A whole task; its state.
pub(crate) fn task(task: &Value) -> String {
    for artifact in task["artifacts"].as_array().into_iter().flatten() {
        let texts = artifact["parts"].as_array().into_iter().flatten();
        let text: String = texts.filter_map(|part| part["text"].as_str()).collect();
        for line in text.lines() {
            println!("           {line}");
        }
    }
    let state = read_state(&task["status"]["state"]);
    let said = read_text(&task["status"]["message"]);
    println!("   agent < [{state}] {said}");
    state
}

/// One event of a stream, as it comes.
pub(crate) fn event(result: &Value) {
    if let Some(update) = result.get("statusUpdate") {
        let state = read_state(&update["status"]["state"]);
        let message = &update["status"]["message"];
        let text = read_text(message);
        if !text.is_empty() {
            println!("   agent < [{state}] {text}");
        }
        for part in message["parts"].as_array().into_iter().flatten() {
            let data = &part["data"];
            let Some(name) = data["name"].as_str() else {
                continue;
            };
            match part["metadata"]["kagent_type"].as_str() {
                Some("function_call") => println!("   agent < [{state}] calls its tool {name} {}", data["args"]),
                _ => println!("   agent < [{state}] {name} has answered"),
            }
        }
    } else if let Some(update) = result.get("artifactUpdate") {
        for part in update["artifact"]["parts"].as_array().into_iter().flatten() {
            for line in part["text"].as_str().unwrap_or_default().lines() {
                println!("           {line}");
            }
        }
    }
    // A pipe gets each event when it happens, not at the end.
    let _ = std::io::stdout().flush();
}

/// What one can do now.
pub(crate) fn next_steps(url: &str, manifests: &Path, log: &Path, helper: bool) {
    headline("The server stays up; Ctrl-C stops it. Try:");
    println!(
        "
   # all agents, and the card of one
   curl -s {url}/api/agents
   curl -s {url}/api/a2a/kagent/scout/.well-known/agent-card.json

   # a message, and a stream
   curl -s {url}/api/a2a/kagent/scout/ -H 'Content-Type: application/json' -H 'A2A-Version: 1.0' -d \\
     '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"SendMessage\",\"params\":{{\"message\":{{\"messageId\":\"m1\",\"role\":\"ROLE_USER\",\"parts\":[{{\"text\":\"What is in xtask?\"}}]}}}}}}'
   curl -sN {url}/api/a2a/kagent/scout/ -H 'Content-Type: application/json' -H 'A2A-Version: 1.0' -d \\
     '{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"SendStreamingMessage\",\"params\":{{\"message\":{{\"messageId\":\"m2\",\"role\":\"ROLE_USER\",\"parts\":[{{\"text\":\"What is in tests?\"}}]}}}}}}'

   # edit a manifest: the server follows
   {}
   # the server's log; the agents' logs are beside it
   {}",
        manifests.display(),
        log.display()
    );
    if !helper {
        println!(
            "
   # a model for the agent helper: see examples/quickstart/README.md"
        );
    }
    println!();
}

fn read_text(message: &Value) -> String {
    let parts = message["parts"].as_array().into_iter().flatten();
    let texts: Vec<_> = parts.filter_map(|part| part["text"].as_str()).collect();
    texts.join(" ")
}
