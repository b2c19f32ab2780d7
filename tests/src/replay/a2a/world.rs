//! The world of the A2A recordings around a router of ours in this process: agents, their names, a scripted player.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Result, bail};
use async_trait::async_trait;
use embedded_kube::EmbeddedKube;
use kagent_api::v1alpha2::Agent;
use kagent_core::{
    a2a::{Relay, RelayConfig},
    auth::{AllowAll, Authenticator, trusted_proxy::TrustedProxy, unsecured::Unsecured},
    card::standard::StandardCards,
    clock::SystemClock,
    cluster::{Cluster, WatchScope},
    http::{AppState, BuildInfo, Limits, router},
    ident::AgentRef,
    registry::{AgentRoute, RouteWriter, table::RouteTable},
    resolve::{HostResolver, HostTable},
    store::sqlite::SqliteStore,
    tasks::Tasks,
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    player::Player,
    program::{Program, next_agent_addresses},
};

/// Agents that exist, as the README of the recordings lists them; the last word is the description.
const AGENTS: [(&str, &str, &str); 7] = [
    ("kagent", "rec-a", "Recording agent A"),
    ("kagent", "rec-b", ""),
    ("kagent", "rec-down", "nobody <listens> & \"waits\" — ünïcode 日本語 🚀"),
    ("kagent", "rec-nodns", ""),
    ("kagent", "rec.dotted-name", "name with a dot"),
    ("kagent", "rec-skills", "Declarative agent with skills"),
    ("team-x", "rec-a", "same name, other namespace"),
];

/// Names that lead to the scripted agent.
pub(super) const NAMES: [&str; 6] = [
    "rec-a.kagent",
    "rec-b.kagent",
    "rec-skills.kagent",
    "rec.dotted-name.kagent",
    "rec-life.kagent",
    "rec-a.team-x",
];
/// The server's public address, in the area `base-url` and elsewhere.
pub(super) const AREA_BASE_URL: &str = "https://kagent.example.com/prefix/";
/// See [`AREA_BASE_URL`].
pub(super) const DEFAULT_BASE_URL: &str = "http://127.0.0.1:8083";

/// Names nobody resolves.
struct NoHosts;

#[async_trait]
impl HostResolver for NoHosts {
    async fn resolve_host(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::new(io::ErrorKind::NotFound, "no such host"))
    }
}

/// Every name is the same address, as with `KAGENT_A2A_DEBUG_ADDR`.
struct OneHost(SocketAddr);

#[async_trait]
impl HostResolver for OneHost {
    async fn resolve_host(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

/// A server with the world of one area.
pub struct World {
    /// Where the server listens.
    pub server: SocketAddr,
    /// The scripted agent.
    pub player: Player,
    backing: Backing,
}

/// What runs the server.
enum Backing {
    Router {
        routes: Arc<RouteTable>,
        _serving: JoinSet<()>,
    },
    Program(Box<Program>),
}

impl World {
    /// Starts the server as the area's recordings had it.
    ///
    /// # Errors
    /// When no port is free or the database cannot be opened.
    pub async fn start(area: &str) -> Result<Self> {
        let (tasks, _ends) = Tasks::new();
        let player = Player::start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let hosts = HostTable::new(Arc::new(NoHosts));
        for host in NAMES {
            hosts.insert(host, 8080, player.address());
        }
        // A port that was free a moment ago: nobody listens there.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        hosts.insert("rec-down.kagent", 8080, nobody);
        let resolver: Arc<dyn HostResolver> = match area {
            "debug-addr" => Arc::new(OneHost(player.address())),
            _ => Arc::new(hosts),
        };
        let authenticator: Arc<dyn Authenticator> = match area {
            "auth" => Arc::new(TrustedProxy::new("sub")),
            _ => Arc::new(Unsecured),
        };
        let base_url = match area {
            "base-url" => AREA_BASE_URL,
            _ => DEFAULT_BASE_URL,
        };
        let routes = Arc::new(RouteTable::new());
        let state = AppState {
            store: Arc::new(SqliteStore::open_in_memory(Arc::new(SystemClock)).await?),
            cluster: Cluster::start(EmbeddedKube::builder().build()?.client(), WatchScope::All, &tasks),
            options: Arc::default(),
            routes: Arc::clone(&routes) as _,
            cards: Arc::new(StandardCards),
            relay: Relay::new(RelayConfig::new(resolver)),
            base_url: Arc::new(base_url.parse()?),
            proxies_hosts: false,
            authenticator,
            authorizer: Arc::new(AllowAll),
            build: Arc::new(BuildInfo {
                version: "test".to_owned(),
                git_commit: "test".to_owned(),
                build_date: "test".to_owned(),
            }),
            limits: Limits::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Ends with the world.
            let _ = axum::serve(listener, router(state)).await;
        });
        let world = Self {
            server,
            player,
            backing: Backing::Router {
                routes,
                _serving: serving,
            },
        };
        world.create_agents().await?;
        Ok(world)
    }

    /// As [`World::start`], with a server program of its own instead of a router in this process.
    ///
    /// # Errors
    /// When the program does not become ready.
    pub async fn start_program(program: &Path, area: &str) -> Result<Self> {
        let (agents, nobody) = next_agent_addresses();
        let player = Player::start(agents).await?;
        let program = Box::new(Program::start(&std::path::absolute(program)?, area, agents, nobody).await?);
        let world = Self {
            server: program.address,
            player,
            backing: Backing::Program(program),
        };
        world.create_agents().await?;
        Ok(world)
    }

    async fn create_agents(&self) -> Result<()> {
        for (namespace, name, description) in AGENTS {
            self.apply_agent(namespace, name, description).await?;
        }
        Ok(())
    }

    /// Creates or changes an agent.
    ///
    /// # Errors
    /// When the names make no agent.
    pub async fn apply_agent(&self, namespace: &str, name: &str, description: &str) -> Result<()> {
        let skills = json!({"a2aConfig": {"skills": [
            {
                "id": "get-resources",
                "name": "Get Resources",
                "description": "Reads <resources>",
                "tags": ["k8s", "read"],
                "examples": ["List pods", "Get nodes & zones"],
                "inputModes": ["text", "application/json"],
                "outputModes": ["text"],
            },
            {"id": "minimal", "name": "Minimal", "tags": ["one"]},
        ]}});
        let spec = json!({
            "description": description,
            "declarative": (name == "rec-skills").then_some(skills),
        });
        match &self.backing {
            Backing::Program(program) => program.apply_agent(namespace, name, spec).await,
            Backing::Router { routes, .. } => {
                let agent = json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec});
                let agent: Agent = serde_json::from_value(agent)?;
                let route = AgentRoute::new(AgentRef::new(namespace, name), Arc::new(agent))?;
                routes.upsert_route(route);
                Ok(())
            }
        }
    }

    /// Deletes an agent.
    ///
    /// # Errors
    /// When there is no such agent.
    pub async fn delete_agent(&self, namespace: &str, name: &str) -> Result<()> {
        match &self.backing {
            Backing::Program(program) => program.delete_agent(namespace, name).await,
            Backing::Router { routes, .. } => {
                routes.remove_route(&AgentRef::new(namespace, name));
                Ok(())
            }
        }
    }

    /// What happens before the n-th call of a case, besides calls: the recordings of agents' lives do not hold it.
    ///
    /// # Errors
    /// When a lifecycle case has a call that is not known here.
    pub async fn step(&self, case: &str, call: usize) -> Result<()> {
        match (case, call) {
            ("lifecycle/create-update-delete", 1) => self.apply_agent("kagent", "rec-life", "one").await?,
            ("lifecycle/create-update-delete", 2) => self.apply_agent("kagent", "rec-life", "two").await?,
            ("lifecycle/create-update-delete", 3) => self.delete_agent("kagent", "rec-life").await?,
            ("lifecycle/delete-during-stream", 1) => self.delete_agent("kagent", "rec-a").await?,
            ("lifecycle/delete-during-stream", 2) => self.apply_agent("kagent", "rec-a", "Recording agent A").await?,
            ("lifecycle/update-during-stream", 1) => self.apply_agent("kagent", "rec-a", "changed").await?,
            (
                "lifecycle/update-during-stream" | "lifecycle/create-update-delete" | "lifecycle/delete-during-stream",
                0,
            ) => {}
            (case, call) if case.starts_with("lifecycle/") => bail!("{case}: what happens before call {call}?"),
            _ => {}
        }
        Ok(())
    }
}
