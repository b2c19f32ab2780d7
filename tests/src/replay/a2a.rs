//! Replays the A2A recordings: exact bytes of callers against a server, with a scripted agent behind it.
//!
//! A case is *same*, *meant* (every difference stands in `meant.toml` with our exact answer), or *different*.

pub mod caller;
pub mod case;
pub mod compare;
pub mod player;
pub mod program;
pub mod wire;
pub mod world;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use self::{
    case::Case,
    compare::{Difference, compare_case, upstream_body},
    world::World,
};
use super::meant::MeantList;

/// What a replay covers.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Areas, in this order.
    pub areas: Vec<String>,
    /// Only cases whose caller speaks this version.
    pub wire: Option<String>,
    /// Only cases whose names begin like one of these; all if empty.
    pub cases: Vec<String>,
    /// A server program to start per area; none = our router in this process.
    pub program: Option<PathBuf>,
}

/// How a case went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As recorded.
    Same,
    /// Every difference is meant; the reasons.
    Meant(Vec<String>),
    /// Some are not; these.
    Different(Vec<Difference>),
}

/// All cases and how they went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `AREA/NAME` and outcome.
    pub cases: Vec<(String, Outcome)>,
}

impl Report {
    /// Cases that are neither same nor meant.
    pub fn list_different(&self) -> Vec<&(String, Outcome)> {
        let different = |case: &&(String, Outcome)| matches!(case.1, Outcome::Different(_));
        self.cases.iter().filter(different).collect()
    }

    /// One line per case and a last one with the totals; differences in full.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let (mut same, mut meant, mut different) = (0, 0, 0);
        for (case, outcome) in &self.cases {
            match outcome {
                Outcome::Same => {
                    same += 1;
                    text.push_str(&format!("same       {case}\n"));
                }
                Outcome::Meant(reasons) => {
                    meant += 1;
                    text.push_str(&format!("meant      {case}: {}\n", reasons.join("; ")));
                }
                Outcome::Different(differences) => {
                    different += 1;
                    text.push_str(&format!("different  {case}\n"));
                    for Difference { field, recorded, seen } in differences {
                        text.push_str(&format!("  {field}\n    recorded {recorded}\n    seen     {seen}\n"));
                    }
                }
            }
        }
        text.push_str(&format!("a2a: {same} same, {meant} meant, {different} different\n"));
        text
    }
}

/// Replays the cases of `recordings` that are in scope.
///
/// # Errors
/// When recordings cannot be read or the server cannot be reached.
pub async fn replay(recordings: &Path, scope: &Scope, meant: &MeantList) -> Result<Report> {
    let mut report = Report::default();
    for area in &scope.areas {
        let world = match &scope.program {
            Some(program) => World::start_program(program, area).await?,
            None => World::start(area).await?,
        };
        for case in case::read_area(recordings, area)? {
            let named = scope.cases.is_empty() || scope.cases.iter().any(|name| case.case.starts_with(name));
            let spoken = scope.wire.as_deref().is_none_or(|wire| wire == case.caller_wire());
            if named && spoken {
                let outcome = replay_case(&world, &case, meant).await?;
                report.cases.push((case.case.clone(), outcome));
            }
        }
    }
    Ok(report)
}

async fn replay_case(world: &World, case: &Case, meant: &MeantList) -> Result<Outcome> {
    world.player.load(case.upstream_script.clone()).await;
    let step = |call| -> futures::future::BoxFuture<'_, Result<()>> { Box::pin(world.step(&case.case, call)) };
    let answers = caller::play_calls(world.server, case, &step).await?;
    let mut differences = compare_case(case, &answers, &world.player.received().await)?;
    let settled = |differences: &[Difference]| !differences.iter().any(|one| one.field.ends_with("peer_closed"));
    for _ in 0..20 {
        if settled(&differences) {
            break;
        }
        // The agent's side notices a closed connection a little later.
        tokio::time::sleep(Duration::from_millis(10)).await;
        differences = compare_case(case, &answers, &world.player.received().await)?;
    }
    if differences.is_empty() {
        return Ok(Outcome::Same);
    }
    let mut reasons = Vec::new();
    let mut unmeant = Vec::new();
    for difference in differences {
        let is_word = |word: &str| match word {
            "request" => is_request_of_caller(case, &difference),
            "agent" => is_answer_of_agent(case, &difference),
            _ => false,
        };
        match meant.find_reason("a2a", &case.case, &difference.field, &difference.seen, is_word) {
            Some(reason) if reasons.iter().any(|known| known == reason) => {}
            Some(reason) => reasons.push(reason.to_owned()),
            None => unmeant.push(difference),
        }
    }
    Ok(if unmeant.is_empty() {
        Outcome::Meant(reasons)
    } else {
        Outcome::Different(unmeant)
    })
}

/// Whether the agent got one of the caller's bodies as it is: the answer `request` of `meant.toml`.
fn is_request_of_caller(case: &Case, difference: &Difference) -> bool {
    let same_as = |body: Vec<u8>| -> bool {
        // Trailing bytes after the document are not sent on.
        let document = serde_json::Deserializer::from_slice(&body).into_iter::<Value>().next();
        let body = match document {
            Some(Ok(document)) => upstream_body(document.to_string().as_bytes()),
            _ => upstream_body(&body),
        };
        body == difference.seen
    };
    case.calls
        .iter()
        .filter_map(|call| call.request.body.decode().ok())
        .any(|body| same_as(unchunked(&body)) || same_as(body))
}

/// Whether the caller got the agent's events as they are, under its own id: the answer `agent` of `meant.toml`.
fn is_answer_of_agent(case: &Case, difference: &Difference) -> bool {
    let request = case.calls.first().and_then(|call| call.request.body.decode().ok());
    let id = request
        .and_then(|body| serde_json::from_slice::<Value>(&body).ok())
        .map(|request| request["id"].clone());
    let script: Vec<u8> = case
        .upstream_script
        .iter()
        .flat_map(|entry| &entry.chunks)
        .flat_map(|chunk| chunk.bytes.decode().unwrap_or_default())
        .collect();
    let events: Vec<Value> = String::from_utf8_lossy(&script)
        .split("\n\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
        .map(|mut data: Value| {
            data["id"] = id.clone().unwrap_or_default();
            serde_json::json!({"id": true, "data": data})
        })
        .collect();
    !events.is_empty() && Value::Array(events) == difference.seen
}

/// The body of a request that was sent in one chunk.
fn unchunked(body: &[u8]) -> Vec<u8> {
    let mut lines = body.splitn(2, |&byte| byte == b'\n');
    lines.next();
    lines.next().unwrap_or_default().to_vec()
}
