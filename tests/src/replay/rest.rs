//! Replays the REST recordings: the steps of each scenario, one after the other, against a server with a fresh database
//! and a fresh cluster.
//!
//! A step is *same*, *meant* (its whole answer stands in `meant.toml`, with the reason), or *different*.

pub mod client;
pub mod compare;
pub mod recording;
pub mod template;
pub mod world;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use self::{
    client::send,
    compare::{compare_answer, describe},
    recording::{Call, Case, Recordings, Step},
    template::Bindings,
    world::World,
};
use super::meant::MeantList;

/// How long and how often an answer that changes by itself is asked for again.
pub const POLL_LIMIT: Duration = Duration::from_secs(25);
/// Scenarios that are played at the same time, each with its own server.
const AT_ONCE: usize = 6;
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Answers come from caches; the recorder waited as well.
const CACHE_DELAY: Duration = Duration::from_millis(400);

/// What a replay covers.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Areas, in this order.
    pub areas: Vec<String>,
    /// Only cases whose names begin like one of these; all if empty.
    pub cases: Vec<String>,
    /// Routes whose steps are left out; what they change in the cluster is done there directly.
    pub other_routes: Vec<String>,
    /// How long an answer that changes by itself is asked for again; [`POLL_LIMIT`] when nothing hurries.
    pub poll_limit: Duration,
}

/// How a step went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As recorded.
    Same,
    /// Otherwise, for this reason.
    Meant(String),
    /// Otherwise, and nobody meant it; what differs, and our answer as `meant.toml` would have it.
    Different {
        /// One line per difference.
        differences: Vec<String>,
        /// Status, type and body with placeholders.
        answer: Value,
    },
    /// Not sent: the route is outside the scope.
    LeftOut,
}

/// A step and how it went.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Area of the scenario.
    pub area: String,
    /// Scenario, by its file name.
    pub case: String,
    /// Name of the step.
    pub step: String,
    /// How it went.
    pub outcome: Outcome,
}

/// All steps and how they went.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Vec<StepReport>);

impl Report {
    /// Steps that are neither same nor meant.
    pub fn list_different(&self) -> Vec<&StepReport> {
        let different = |step: &&StepReport| matches!(step.outcome, Outcome::Different { .. });
        self.0.iter().filter(different).collect()
    }

    /// One line per case, and one for every step that is not same; the totals last.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let (mut same, mut meant, mut different, mut left_out) = (0, 0, 0, 0);
        for steps in self.0.chunk_by(|one, other| one.case == other.case) {
            let count = |wanted: fn(&Outcome) -> bool| steps.iter().filter(|step| wanted(&step.outcome)).count();
            let word = if count(|it| matches!(it, Outcome::Different { .. })) > 0 {
                "different"
            } else if count(|it| matches!(it, Outcome::Meant(_))) > 0 {
                "meant"
            } else {
                "same"
            };
            let sent = steps.len() - count(|it| matches!(it, Outcome::LeftOut));
            text.push_str(&format!(
                "{word:<10} {}/{} ({sent} steps)\n",
                steps[0].area, steps[0].case
            ));
            for step in steps {
                match &step.outcome {
                    Outcome::Same => same += 1,
                    Outcome::LeftOut => left_out += 1,
                    Outcome::Meant(reason) => {
                        meant += 1;
                        text.push_str(&format!("  meant      {}: {reason}\n", step.step));
                    }
                    Outcome::Different { differences, .. } => {
                        different += 1;
                        text.push_str(&format!("  different  {}\n", step.step));
                        for difference in differences {
                            text.push_str(&format!("    {difference}\n"));
                        }
                    }
                }
            }
        }
        text.push_str(&format!(
            "rest: {same} same, {meant} meant, {different} different; {left_out} steps of routes outside the scope\n"
        ));
        text
    }
}

/// Replays the cases of `recordings` that are in scope, each against a server that `start` makes for its mode.
///
/// # Errors
/// When recordings cannot be read, or a server does not start.
pub async fn replay<F, S>(recordings: &Path, scope: &Scope, meant: &MeantList, start: F) -> Result<Report>
where
    F: AsyncFn(&str) -> Result<S>,
    S: AsRef<World>,
{
    let recordings = Recordings::open(recordings)?;
    let mut cases = Vec::new();
    for area in &scope.areas {
        cases.extend(recordings.read_area(area)?);
    }
    cases.retain(|case| scope.cases.is_empty() || scope.cases.iter().any(|name| case.name.starts_with(name)));
    let replays = cases.iter().map(async |case| {
        let server = start(&case.mode)
            .await
            .with_context(|| format!("start a server in mode {}", case.mode))?;
        replay_case(server.as_ref(), case, scope, meant)
            .await
            .with_context(|| format!("{}/{}", case.area, case.name))
    });
    // Most of the time of a case is waiting.
    let reports: Vec<Vec<StepReport>> = stream::iter(replays).buffered(AT_ONCE).try_collect().await?;
    Ok(Report(reports.into_iter().flatten().collect()))
}

async fn replay_case(world: &World, case: &Case, scope: &Scope, meant: &MeantList) -> Result<Vec<StepReport>> {
    let mut report = Vec::new();
    let mut bindings = Bindings::default();
    for step in &case.steps {
        let outcome = match &step.call {
            Call::Kube(call) => {
                let outcome = match world.play_kube_step(call, &step.response).await? {
                    Outcome::Different { differences, answer } => judge(case, step, meant, answer, differences),
                    other => other,
                };
                tokio::time::sleep(CACHE_DELAY).await;
                outcome
            }
            Call::Request(request) if scope.leaves_out(&request.path) => {
                world.play_other_route(request).await?;
                if request.method != "GET" {
                    tokio::time::sleep(CACHE_DELAY).await;
                }
                Outcome::LeftOut
            }
            Call::Request(request) => {
                let outcome = play_step(world, case, step, meant, &mut bindings, scope.poll_limit).await?;
                if request.method != "GET" && request.path.starts_with("/api/agents") {
                    tokio::time::sleep(CACHE_DELAY).await;
                }
                outcome
            }
        };
        report.push(StepReport {
            area: case.area.clone(),
            case: case.name.clone(),
            step: step.name.clone(),
            outcome,
        });
    }
    Ok(report)
}

impl Scope {
    fn leaves_out(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.other_routes.iter().any(|route| {
            path == route
                || path
                    .strip_prefix(route.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
        })
    }
}

async fn play_step(
    world: &World,
    case: &Case,
    step: &Step,
    meant: &MeantList,
    bindings: &mut Bindings,
    poll_limit: Duration,
) -> Result<Outcome> {
    let Call::Request(request) = &step.call else {
        anyhow::bail!("step {:?} is no request", step.name);
    };
    let request = request.substitute(bindings);
    let start = tokio::time::Instant::now();
    loop {
        let answer = send(world.server, &request).await?;
        let mut trial = bindings.clone();
        let differences = compare_answer(step, &answer, &mut trial);
        let outcome = judge(case, step, meant, describe(&answer, bindings), differences);
        let settled = !matches!(outcome, Outcome::Different { .. });
        if settled || !step.poll || start.elapsed() > poll_limit {
            // Another answer does not say what placeholders stand for.
            if matches!(outcome, Outcome::Same) {
                *bindings = trial;
            }
            return Ok(outcome);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn judge(case: &Case, step: &Step, meant: &MeantList, answer: Value, differences: Vec<String>) -> Outcome {
    if differences.is_empty() {
        return Outcome::Same;
    }
    match meant.find_reason("rest", &case.name, &step.name, &answer, |_| false) {
        Some(reason) => Outcome::Meant(reason.to_owned()),
        None => Outcome::Different { differences, answer },
    }
}

/// The differing steps as JSON lines, for writing entries of `meant.toml`.
pub fn list_as_json(report: &Report) -> Vec<Value> {
    report
        .list_different()
        .into_iter()
        .filter_map(|step| match &step.outcome {
            Outcome::Different { answer, differences } => Some(json!({
                "area": "rest", "case": step.case, "field": step.step, "answer": answer, "differences": differences,
            })),
            _ => None,
        })
        .collect()
}
