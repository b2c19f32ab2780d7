//! `cargo xtask bench controllers`: a thousand Agents on a real API server (no controller-manager, no kubelet): until all
//! are reconciled, at rest, and after a restart. Beside a bare client that sends the same applies and status writes.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use kagent_bench::{
    process::Process,
    report::{Goal, Measure, build_table},
    server::find_server,
};
use kagent_tests::{
    plane::ControlPlane,
    replay::rendered::api::{Api, OWNED},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const BENCH: &str = "controllers";
const FLOOR: &str = "bare client, 32 writers";
const OURS: &str = "bench";
const FLOOR_NAMESPACE: &str = "floor";
const WRITERS: usize = 32;
const MODELS: usize = 20;
const SERVERS: usize = 50;
/// Of the tool servers, those that take connections and never answer.
const HUNG: usize = 5;
const WITHIN: Duration = Duration::from_secs(600);
/// After the last write, before the server counts as idle: discovery has been everywhere once more.
const SETTLE: Duration = Duration::from_secs(75);
const KAGENT: [&str; 3] = ["Agent", "ModelConfig", "RemoteMCPServer"];

/// Measures the controllers of kagent-server on a real API server.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// One JSON line per measure instead of a table.
    #[arg(long)]
    json: bool,
    /// Agents.
    #[arg(long, default_value_t = 1000)]
    agents: usize,
    /// Idle seconds.
    #[arg(long, default_value_t = 600)]
    idle: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let measures = run(&arguments).await?;
    let text = match arguments.json {
        true => {
            let lines: Result<Vec<String>, _> = measures.iter().map(serde_json::to_string).collect();
            lines?.join("\n")
        }
        false => build_table(&measures),
    };
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").context("write the result")
}

struct World {
    plane: ControlPlane,
    api: Api,
    agents: usize,
    folder: TempDir,
    program: PathBuf,
}

async fn run(arguments: &Arguments) -> Result<Vec<Measure>> {
    let plane = ControlPlane::start_without_controllers().await;
    plane.install_crds().await;
    let world = World {
        api: Api(plane.admin_client().await),
        plane,
        agents: arguments.agents,
        folder: TempDir::new()?,
        program: find_server()?,
    };
    let ports = open_ports()?;
    world.create_input(&ports).await?;

    // Until all are reconciled, from the start of the program.
    let started = Instant::now();
    let (server, address) = world.start_server()?;
    world.wait_until_reconciled().await?;
    let ours = started.elapsed().as_secs_f64();
    let floor = world.run_floor().await?;
    let mut measures = vec![
        Measure::new(BENCH, "controllers.mass_apply", "s", ours)
            .beside(FLOOR, floor)
            .with_goal(Goal::RatioAtMost(1.3)),
    ];

    // At rest.
    tokio::time::sleep(SETTLE).await;
    let (before, cpu) = (world.versions().await?, server.cpu()?);
    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    let writes = count_changed(&before, &world.versions().await?);
    let cpu = (server.cpu()? - cpu).as_secs_f64() / arguments.idle as f64 * 100.0;
    let memory = server.memory()? as f64 / 1e6;
    measures.push(Measure::new(BENCH, "controllers.idle_writes", "writes", writes as f64).with_goal(Goal::AtMost(0.0)));
    measures.push(Measure::new(BENCH, "controllers.idle_cpu", "% of a core", cpu));
    measures.push(Measure::new(BENCH, "controllers.memory_1000", "MB", memory).with_goal(Goal::AtMost(40.0)));

    // A restart with everything in place.
    drop(server);
    let _ = address;
    let before = world.versions().await?;
    let started = Instant::now();
    let (_server, address) = world.start_server()?;
    world.wait_for_routes(address).await?;
    let routes = started.elapsed().as_secs_f64() * 1000.0;
    tokio::time::sleep(SETTLE).await;
    let writes = count_changed(&before, &world.versions().await?);
    measures
        .push(Measure::new(BENCH, "controllers.restart_writes", "writes", writes as f64).with_goal(Goal::AtMost(0.0)));
    measures.push(Measure::new(BENCH, "controllers.restart_to_routes", "ms", routes));
    Ok(measures)
}

/// Ports of tool servers that hang: they take connections and never answer.
fn open_ports() -> Result<Vec<TcpListener>> {
    let ports = (0..HUNG).map(|_| Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?));
    ports.collect()
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn count_changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> usize {
    let gone = before.keys().filter(|name| !after.contains_key(*name)).count();
    gone + after
        .iter()
        .filter(|(name, version)| before.get(*name) != Some(version))
        .count()
}

impl World {
    async fn create_input(&self, hung: &[TcpListener]) -> Result<()> {
        for namespace in ["kagent", OURS, FLOOR_NAMESPACE] {
            self.api.make_namespace(namespace).await?;
        }
        let mut input = vec![];
        for number in 0..MODELS {
            input.push(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("key-{number}"), "namespace": OURS},
                "stringData": {"token": format!("fake-key-{number}")},
            }));
            input.push(json!({
                "apiVersion": "kagent.dev/v1alpha2", "kind": "ModelConfig",
                "metadata": {"name": format!("model-{number}"), "namespace": OURS},
                "spec": {
                    "provider": "OpenAI", "model": "gpt-4o-mini",
                    "apiKeySecret": format!("key-{number}"), "apiKeySecretKey": "token",
                },
            }));
        }
        for number in 0..SERVERS {
            let port = match hung.get(number) {
                Some(listener) => listener.local_addr()?.port(),
                // Nobody listens there.
                None => 1,
            };
            input.push(json!({
                "apiVersion": "kagent.dev/v1alpha2", "kind": "RemoteMCPServer",
                "metadata": {"name": format!("tools-{number}"), "namespace": OURS},
                "spec": {"description": "Tools", "url": format!("http://127.0.0.1:{port}/mcp")},
            }));
        }
        for number in 0..self.agents {
            let agent = |namespace: &str| {
                json!({
                    "apiVersion": "kagent.dev/v1alpha2", "kind": "Agent",
                    "metadata": {"name": format!("agent-{number}"), "namespace": namespace},
                    "spec": {"type": "Declarative", "description": "One of many.", "declarative": {
                        "modelConfig": format!("model-{}", number % MODELS),
                        "systemMessage": "You answer questions about one of many things.",
                        "tools": [{"type": "McpServer", "mcpServer": {
                            "name": format!("tools-{}", number % SERVERS), "kind": "RemoteMCPServer",
                            "apiGroup": "kagent.dev", "toolNames": ["one", "two"],
                        }}],
                    }},
                })
            };
            input.push(agent(OURS));
        }
        let writes = stream::iter(input).map(async |object| self.api.put(&object).await);
        writes.buffer_unordered(WRITERS).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    fn start_server(&self) -> Result<(Process, SocketAddr)> {
        let (api, probes) = (free_address()?, free_address()?);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))?;
        let process = Process::start_unread(
            Command::new(&self.program)
                .env_clear()
                .env("KUBECONFIG", self.plane.admin_kubeconfig())
                .env("KAGENT_NAMESPACE", "kagent")
                .env("HTTP_SERVER_ADDRESS", api.to_string())
                .env("HEALTH_PROBE_BIND_ADDRESS", probes.to_string())
                .env("DATABASE_TYPE", "sqlite")
                .env("SQLITE_DATABASE_PATH", self.folder.path().join("kagent.db"))
                .env("WATCH_NAMESPACES", format!("kagent,{OURS}"))
                .stderr(Stdio::from(log)),
        )?;
        Ok((process, api))
    }

    async fn wait_until_reconciled(&self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            let agents = self.api.list("Agent", OURS).await?;
            if agents.len() == self.agents && agents.iter().all(is_accepted) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("server.log"))?;
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        bail!("not all Agents are reconciled after {WITHIN:?}: {}", tail.join("\n"))
    }

    /// The same applies and status writes for as many Agents, by 32 writers that do nothing else.
    async fn run_floor(&self) -> Result<f64> {
        let mut work: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for kind in OWNED {
            for object in self.api.list(kind, OURS).await? {
                let owner = object["metadata"]["ownerReferences"][0]["name"].as_str();
                if let Some(owner) = owner.map(str::to_owned) {
                    work.entry(owner).or_default().push(bare_copy(kind, &object));
                }
            }
        }
        let mut statuses = BTreeMap::new();
        for agent in self.api.list("Agent", OURS).await? {
            let name = agent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let mut copy = bare_copy("Agent", &agent);
            let status = copy["status"].take();
            self.api.put(&copy).await?;
            statuses.insert(name, status);
        }
        let started = Instant::now();
        let writes = stream::iter(work).map(async |(owner, objects)| {
            for object in objects {
                self.api.apply("floor", &object).await?;
            }
            self.api
                .patch_status(&json!({
                    "kind": "Agent",
                    "metadata": {"namespace": FLOOR_NAMESPACE, "name": owner},
                    "status": statuses.get(&owner),
                }))
                .await
        });
        writes.buffer_unordered(WRITERS).try_collect::<Vec<()>>().await?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// Until the card of every agent is served.
    async fn wait_for_routes(&self, address: SocketAddr) -> Result<()> {
        let started = Instant::now();
        for number in (0..self.agents).rev() {
            let path = format!("/api/a2a/{OURS}/agent-{number}/.well-known/agent-card.json");
            while kagent_tests::replay::rest::client::get_status(address, &path).await != Some(200) {
                anyhow::ensure!(started.elapsed() < WITHIN, "there is no route to agent-{number}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(())
    }

    /// Resource versions of everything that the controllers write.
    async fn versions(&self) -> Result<BTreeMap<String, String>> {
        let mut versions = BTreeMap::new();
        for kind in OWNED.iter().chain(&KAGENT) {
            for object in self.api.list(kind, OURS).await? {
                let metadata = &object["metadata"];
                let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
                versions.insert(format!("{kind} {}", text("name")), text("resourceVersion"));
            }
        }
        Ok(versions)
    }
}

fn is_accepted(agent: &Value) -> bool {
    let conditions = agent["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Accepted" && condition["status"] == "True")
}

/// The object as the server sent it, for another namespace.
fn bare_copy(kind: &str, object: &Value) -> Value {
    let mut copy = object.clone();
    copy["kind"] = kind.into();
    copy["apiVersion"] = match kind {
        "Deployment" => "apps/v1",
        "Agent" => "kagent.dev/v1alpha2",
        _ => "v1",
    }
    .into();
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generation",
            "ownerReferences",
        ] {
            metadata.remove(field);
        }
        metadata.insert("namespace".to_owned(), FLOOR_NAMESPACE.into());
    }
    if kind == "Service"
        && let Some(spec) = copy["spec"].as_object_mut()
    {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
    }
    if kind != "Agent"
        && let Some(map) = copy.as_object_mut()
    {
        map.remove("status");
    }
    copy
}
