//! Replays the recorded inputs of the Go controller on a real API server (no controller-manager, no kubelet) and compares
//! objects, bytes and statuses with what it made of them. The pure half of the same comparison is
//! `kagent-core/tests/rendered.rs`.
//!
//! A field of a case is *same*, *meant* (its exact value stands in `meant.toml`, with the reason), or *different*.

pub mod api;
pub mod case;
pub mod compare;
pub mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use self::{
    api::{Api, order_of},
    case::{Case, read_yaml},
    compare::{Differences, Snapshot, compare, take_snapshot},
    server::{Program, Server},
};
use super::meant::MeantList;
use crate::plane::ControlPlane;

const AREA: &str = "rendered";
/// Cases that are played at the same time on one server.
const AT_ONCE: usize = 6;
/// How long the server may take for a step.
const STEP_LIMIT: Duration = Duration::from_secs(40);
/// Nothing that the server does later than this counts: a step that should change nothing is over.
const SETTLED: Duration = Duration::from_millis(1500);
/// Looks that must give the same before what differs is believed.
const QUIET_LOOKS: usize = 6;
const POLL: Duration = Duration::from_millis(300);
/// A case that says so is played where kmcp's kind is not installed.
const NO_MCP_SERVERS: &str = "cluster: CRD mcpservers.kagent.dev is not installed";

/// One field of a case that is not as recorded.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Where.
    pub field: String,
    /// As recorded.
    pub recorded: Value,
    /// As it is.
    pub seen: Value,
    /// Why it is meant, if it is.
    pub reason: Option<String>,
}

/// What became of all cases.
#[derive(Debug, Default)]
pub struct Report(pub BTreeMap<String, Vec<Deviation>>);

impl Report {
    /// Names of cases with a field that nobody meant.
    pub fn list_different(&self) -> Vec<&str> {
        let cases = self.0.iter();
        cases
            .filter(|(_, deviations)| deviations.iter().any(|it| it.reason.is_none()))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// One line per case, details of what differs, and the totals.
    pub fn to_text(&self) -> String {
        let (mut lines, mut same, mut meant, mut different) = (Vec::new(), 0, 0, 0);
        for (name, deviations) in &self.0 {
            let word = if deviations.is_empty() {
                same += 1;
                "same"
            } else if deviations.iter().all(|it| it.reason.is_some()) {
                meant += 1;
                "meant"
            } else {
                different += 1;
                "different"
            };
            lines.push(format!("{word:9} {name}"));
            for deviation in deviations {
                match &deviation.reason {
                    Some(reason) => lines.push(format!("          {}: {reason}", deviation.field)),
                    None => lines.push(format!(
                        "          {}\n            recorded {}\n            seen     {}",
                        deviation.field, deviation.recorded, deviation.seen
                    )),
                }
            }
        }
        lines.push(format!("{same} same, {meant} meant, {different} different\n"));
        lines.join("\n")
    }

    /// What differs, as entries of `meant.toml` that still want a reason.
    pub fn list_as_json(&self) -> Vec<Value> {
        let cases = self.0.iter();
        cases
            .flat_map(|(name, deviations)| deviations.iter().map(move |it| (name, it)))
            .filter(|(_, it)| it.reason.is_none())
            .map(|(name, it)| json!({"area": AREA, "case": name, "field": it.field, "answer": it.seen, "recorded": it.recorded}))
            .collect()
    }
}

/// Replays the cases of `dir` whose names begin like one of `only` (all if it is empty).
///
/// # Errors
/// When the recordings cannot be read, or the control plane or the server do not start.
pub async fn replay(dir: &Path, only: &[String], program: &Program, meant: &MeantList) -> Result<Report> {
    let mut groups: BTreeMap<Vec<String>, Vec<Case>> = BTreeMap::new();
    for case in Case::read_all(dir)? {
        let wanted = only.is_empty() || only.iter().any(|start| case.name.starts_with(start.as_str()));
        if wanted {
            let mut flags: Vec<String> = case.flags().into_iter().map(str::to_owned).collect();
            // A case that restarts the server has one of its own.
            if case.find("step-2/", "restart.txt").is_some() {
                flags.push(format!("own {}", case.name));
            }
            groups.entry(flags).or_default().push(case);
        }
    }
    let plane = ControlPlane::start_without_controllers().await;
    plane.install_crds().await;
    let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(plane.admin_client().await);
    let api = Api(plane.admin_client().await);
    install_kmcp(&api).await?;
    api.make_namespace("kagent").await?;
    let mut report = Report::default();
    // The one without kmcp's kind comes last, since that takes the kind from everybody.
    let (last, groups): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .partition(|(flags, _)| flags.iter().any(|flag| flag == NO_MCP_SERVERS));
    for (flags, cases) in groups.into_iter().chain(last) {
        if flags.iter().any(|flag| flag == NO_MCP_SERVERS) {
            let name = "mcpservers.kagent.dev";
            crds.delete(name, &DeleteParams::default())
                .await
                .context("remove kmcp's kind")?;
        }
        let world = World {
            api: &api,
            program,
            kubeconfig: plane.admin_kubeconfig(),
        };
        report.0.extend(world.play_group(&flags, cases, meant).await?);
    }
    Ok(report)
}

/// Installs kmcp's kind and waits until it is served.
///
/// # Errors
/// When the API refuses it, or does not serve it in time.
pub async fn install_kmcp(api: &Api) -> Result<()> {
    let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(api.0.clone());
    let kmcp = kagent_api::crds::mcp_server_crd();
    crds.create(&PostParams::default(), &kmcp)
        .await
        .context("install kmcp's kind")?;
    for _ in 0..200 {
        if api.list("MCPServer", "default").await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    anyhow::bail!("kmcp's kind is not served")
}

struct World<'a> {
    api: &'a Api,
    program: &'a Program,
    kubeconfig: &'a Path,
}

impl World<'_> {
    /// Plays cases that want the same flags on one server.
    async fn play_group(
        &self,
        flags: &[String],
        cases: Vec<Case>,
        meant: &MeantList,
    ) -> Result<BTreeMap<String, Vec<Deviation>>> {
        let lines: Vec<String> = flags
            .iter()
            .filter(|line| line.starts_with("--") || line.starts_with("env "))
            .cloned()
            .collect();
        let server = Server::start(self.program, self.kubeconfig, &lines).await?;
        let restarts = cases.iter().any(|case| case.find("step-2/", "restart.txt").is_some());
        if restarts {
            let mut server = Some(server);
            let mut played = BTreeMap::new();
            for case in &cases {
                let differences = or_told(self.play(case, Some((&mut server, &lines))).await);
                played.insert(case.name.clone(), explain(&case.name, differences, meant));
            }
            return Ok(played);
        }
        let played: BTreeMap<_, _> = stream::iter(cases)
            .map(async |case| {
                let differences = or_told(self.play(&case, None).await);
                let deviations = explain(&case.name, differences, meant);
                anyhow::Ok((case.name, deviations))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        server.stop().await?;
        Ok(played)
    }

    async fn play(&self, case: &Case, mut server: Option<(&mut Option<Server>, &Vec<String>)>) -> Result<Differences> {
        let mut differences = Differences::new();
        for step in case.steps() {
            let before = take_snapshot(self.api, case).await?;
            self.apply_step(case, step)
                .await
                .with_context(|| format!("{} {step}", case.name))?;
            if let (Some(restart), Some((server, lines))) = (case.find(step, "restart.txt"), &mut server) {
                if let Some(running) = server.take() {
                    running.stop().await?;
                }
                let mut lines = lines.clone();
                let added = restart.split_whitespace().filter(|word| word.starts_with("--"));
                lines.extend(added.map(str::to_owned));
                **server = Some(Server::start(self.program, self.kubeconfig, &lines).await?);
            }
            differences.extend(self.wait_for_step(case, step, &before).await?);
        }
        Ok(differences)
    }

    async fn apply_step(&self, case: &Case, step: &str) -> Result<()> {
        for line in case.find(step, "delete.txt").unwrap_or_default().lines() {
            if let Some((kind, reference)) = line.split_once(' ')
                && let Some((namespace, name)) = reference.split_once('/')
            {
                self.api.delete(kind, namespace, name).await?;
            }
        }
        for object in case.find(step, "status-patch.yaml").map(read_yaml).unwrap_or_default() {
            self.api.patch_status(&object).await?;
        }
        let mut input = case.find(step, "input.yaml").map(read_yaml).unwrap_or_default();
        input.sort_by_key(|object| order_of(object["kind"].as_str().unwrap_or_default()));
        let namespaces: BTreeSet<String> = case.namespaces().into_iter().collect();
        for namespace in namespaces {
            let named = input
                .iter()
                .any(|it| it["kind"] == "Namespace" && it["metadata"]["name"] == *namespace);
            if !named {
                self.api.make_namespace(&namespace).await?;
            }
        }
        let (agents, others): (Vec<_>, Vec<_>) = input.into_iter().partition(|object| object["kind"] == "Agent");
        for object in &others {
            self.api.put(object).await?;
        }
        for object in others {
            if matches!(object["kind"].as_str(), Some("ModelConfig" | "RemoteMCPServer")) {
                self.wait_for_status(&object).await?;
            }
        }
        for agent in agents {
            self.api.put(&agent).await?;
            self.wait_for_status(&agent).await?;
        }
        Ok(())
    }

    /// Waits until the object's status is about its present state, if the server looks at it at all.
    async fn wait_for_status(&self, object: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, namespace) = (text(&object["kind"]), text(&object["metadata"]["namespace"]));
        let name = text(&object["metadata"]["name"]);
        let start = tokio::time::Instant::now();
        while start.elapsed() < STEP_LIMIT {
            let live = self.api.find(&kind, &namespace, &name).await?.unwrap_or_default();
            if live["status"]["observedGeneration"] == live["metadata"]["generation"] {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        // It shows in the comparison.
        Ok(())
    }

    /// What differs once nothing changes any more.
    async fn wait_for_step(&self, case: &Case, step: &str, before: &Snapshot) -> Result<Differences> {
        tokio::time::sleep(SETTLED).await;
        let mut last = compare(self.api, case, step, before).await?;
        let start = tokio::time::Instant::now();
        let mut quiet = 0;
        while !last.is_empty() && quiet < QUIET_LOOKS && start.elapsed() < STEP_LIMIT {
            tokio::time::sleep(SETTLED).await;
            let next = compare(self.api, case, step, before).await?;
            quiet = if next == last { quiet + 1 } else { 0 };
            last = next;
        }
        Ok(last)
    }
}

/// A step that cannot be played differs; it does not end the run.
fn or_told(played: Result<Differences>) -> Differences {
    played.unwrap_or_else(|error| Differences::from([("error".to_owned(), (Value::Null, json!(format!("{error:#}"))))]))
}

fn explain(case: &str, differences: Differences, meant: &MeantList) -> Vec<Deviation> {
    let deviations = differences.into_iter().map(|(field, (recorded, seen))| Deviation {
        reason: meant
            .find_reason(AREA, case, &field, &seen, |_| false)
            .map(str::to_owned),
        field,
        recorded,
        seen,
    });
    deviations.collect()
}
