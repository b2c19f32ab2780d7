//! What discovery makes of tool servers that answer, hang, lie or flood, and of Services with the label.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use k8s_openapi::api::core::v1::{Secret, Service};
use kagent_core::{
    api::v1alpha2::RemoteMCPServer,
    leader::Leadership,
    store::{ToolStore, tools::ToolServerRecord},
};
use kube::api::{DeleteParams, Patch, PatchParams};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool},
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{NAMESPACE, World, settle};

/// Tools in pages, by a server of the official library.
#[derive(Clone)]
struct Paged {
    pages: Arc<Vec<Vec<&'static str>>>,
}

impl ServerHandler for Paged {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let page = cursor.map_or(0, |cursor| cursor.parse::<usize>().expect("cursor"));
        let tools = self.pages[page].iter().map(|name| {
            let description = format!("what {name} does");
            Tool::new(*name, description, serde_json::Map::new())
        });
        let mut result = ListToolsResult::with_all_items(tools.collect());
        result.next_cursor = (page + 1 < self.pages.len()).then(|| (page + 1).to_string());
        Ok(result)
    }
}

/// Serves `router` on a port of its own; the base URL.
#[expect(clippy::disallowed_methods, reason = "it ends with the test")]
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A real MCP server that wants a token.
async fn serve_paged(pages: Vec<Vec<&'static str>>, token: Option<&'static str>) -> String {
    let paged = Paged { pages: Arc::new(pages) };
    let service = StreamableHttpService::new(
        move || Ok(paged.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let check = middleware::from_fn(move |headers: HeaderMap, request: Request, next: Next| async move {
        match token {
            Some(token) if headers.get("x-token").is_none_or(|value| value != token) => {
                StatusCode::FORBIDDEN.into_response()
            }
            _ => next.run(request).await,
        }
    });
    serve(Router::new().nest_service("/mcp", service).layer(check)).await + "/mcp"
}

/// A server that answers `initialize` properly and `tools/list` as `lie` says.
async fn serve_liar(lie: impl Fn(usize) -> Value + Clone + Send + Sync + 'static) -> String {
    let calls = Arc::new(AtomicUsize::new(0));
    let answer = move |body: String| {
        let (lie, calls) = (lie.clone(), Arc::clone(&calls));
        async move {
            let request: Value = serde_json::from_str(&body).expect("JSON");
            let result = match request["method"].as_str() {
                Some("initialize") => json!({
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "liar", "version": "0"},
                }),
                Some("tools/list") => lie(calls.fetch_add(1, Ordering::Relaxed)),
                _ => return StatusCode::ACCEPTED.into_response(),
            };
            axum::Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response() as Response
        }
    };
    serve(Router::new().route("/mcp", post(answer))).await + "/mcp"
}

/// A port that takes connections and says nothing.
#[expect(clippy::disallowed_methods, reason = "it ends with the test")]
async fn serve_nothing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            open.push(connection);
        }
    });
    format!("http://{address}/mcp")
}

impl World {
    async fn create_server(&self, name: &str, url: &str) {
        // Long enough for a busy machine, except for who does not answer anyway.
        let timeout = if name.starts_with("hung") { "1s" } else { "1m" };
        self.create::<RemoteMCPServer>(json!({
            "metadata": {"name": name},
            "spec": {"description": "Weather", "url": url, "timeout": timeout},
        }))
        .await;
    }

    /// The server once its condition has this reason: message and names of tools.
    async fn wait_for_server(&self, name: &str, reason: &str) -> (String, Vec<String>) {
        let found = self
            .wait_for::<RemoteMCPServer>(name, reason, |server| {
                server.is_some_and(|server| accepted(server).is_some_and(|it| it.0 == reason))
            })
            .await
            .expect("server");
        let tools = found.status.as_ref().and_then(|status| status.discovered_tools.clone());
        (
            accepted(&found).expect("condition").1,
            tools.unwrap_or_default().into_iter().map(|tool| tool.name).collect(),
        )
    }

    async fn server_rows(&self) -> Vec<ToolServerRecord> {
        self.store.list_tool_servers().await.expect("store")
    }

    async fn wait_for_rows(&self, names: &[&str]) {
        for _ in 0..400 {
            let rows = self.server_rows().await;
            if rows.iter().map(|row| row.name.as_str()).eq(names.iter().copied()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("rows are {:?}, not {names:?}", self.server_rows().await);
    }
}

fn accepted(server: &RemoteMCPServer) -> Option<(String, String)> {
    let conditions = server.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|it| it.type_ == "Accepted")?;
    Some((found.reason.clone(), found.message.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_with_the_headers_and_stored() {
    let world = World::start(Leadership::Leader).await;
    let url = serve_paged(vec![vec!["c", "a"], vec![], vec!["b"]], Some("secret")).await;
    world
        .create::<Secret>(json!({"metadata": {"name": "token"}, "stringData": {"value": "wrong"}}))
        .await;
    world
        .create::<RemoteMCPServer>(json!({
            "metadata": {"name": "weather"},
            "spec": {
                "description": "Weather", "url": url,
                "headersFrom": [{"name": "X-Token", "valueFrom": {"type": "Secret", "name": "token", "key": "value"}}],
            },
        }))
        .await;
    let (message, tools) = world.wait_for_server("weather", "ReconcileFailed").await;
    assert!(
        message.starts_with("failed to fetch tools for toolServer team/weather: "),
        "{message}"
    );
    assert!(tools.is_empty());

    // A changed Secret is noticed at once, not after the interval.
    let patch = json!({"stringData": {"value": "secret"}});
    let secrets = world.api::<Secret>();
    secrets
        .patch("token", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    let (_, tools) = world.wait_for_server("weather", "Reconciled").await;
    assert_eq!(tools, ["a", "b", "c"]);
    let stored = world
        .store
        .list_tools_of_server("team/weather", "RemoteMCPServer.kagent.dev")
        .await
        .expect("store");
    let stored: Vec<_> = stored
        .iter()
        .map(|tool| (tool.id.as_str(), tool.description.as_deref()))
        .collect();
    assert_eq!(
        stored,
        [
            ("a", Some("what a does")),
            ("b", Some("what b does")),
            ("c", Some("what c does"))
        ]
    );

    world
        .api::<RemoteMCPServer>()
        .delete("weather", &DeleteParams::default())
        .await
        .expect("deleted");
    world.wait_for_rows(&[]).await;
    assert!(world.store.list_tools().await.expect("store").is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_hang_lie_or_flood_hurt_nobody_else() {
    let world = World::start(Leadership::Leader).await;
    for number in 0..3 {
        world
            .create_server(&format!("hung-{number}"), &serve_nothing().await)
            .await;
    }
    let endless = serve_liar(|call| json!({"tools": [], "nextCursor": (call % 2).to_string()})).await;
    world.create_server("endless", &endless).await;
    let flood = serve_liar(|_| {
        let text = "x".repeat(1000);
        let tools: Vec<_> = (0..2000)
            .map(|number| json!({"name": format!("t{number}"), "description": text, "inputSchema": {}}))
            .collect();
        json!({"tools": tools})
    })
    .await;
    world.create_server("flood", &flood).await;
    let nonsense = serve_liar(|_| json!({"tools": [{"no": "name"}]})).await;
    world.create_server("nonsense", &nonsense).await;
    let good = serve_paged(vec![vec!["forecast"]], None).await;
    world.create_server("good", &good).await;

    let (_, tools) = world.wait_for_server("good", "Reconciled").await;
    assert_eq!(tools, ["forecast"]);
    for (name, text) in [
        ("hung-0", "the server did not answer within 1s"),
        ("endless", "the server's list of tools has no end"),
        ("flood", "the server lists more than 5000 tools or 512 KiB"),
        ("nonsense", "failed to list tools"),
    ] {
        let (message, _) = world.wait_for_server(name, "ReconcileFailed").await;
        assert!(message.contains(text), "{name}: {message}");
    }
    // Agents do not wait for any of them.
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tools_are_not_written_again() {
    let world = World::start(Leadership::Leader).await;
    let url = serve_paged(vec![vec!["b", "a"]], None).await;
    world.create_server("weather", &url).await;
    world.wait_for_server("weather", "Reconciled").await;
    settle().await;
    let version = |server: RemoteMCPServer| server.metadata.resource_version;
    let servers = world.api::<RemoteMCPServer>();
    let before = version(servers.get("weather").await.expect("server"));
    // A new leader asks at once.
    world.leader.set(Leadership::Follower);
    settle().await;
    world.leader.set(Leadership::Leader);
    settle().await;
    assert_eq!(version(servers.get("weather").await.expect("server")), before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_followed_while_it_has_the_label() {
    let world = World::start(Leadership::Leader).await;
    let mut service = json!({
        "metadata": {"name": "clock", "labels": {"kagent.dev/mcp-service": "true"}},
        "spec": {"ports": [{"port": 1, "protocol": "TCP"}]},
    });
    world.create::<Service>(service.clone()).await;
    service["metadata"] = json!({"name": "other"});
    world.create::<Service>(service).await;
    world.wait_for_rows(&["team/clock"]).await;
    let row = &world.server_rows().await[0];
    assert_eq!(row.group_kind, "Service");
    assert_eq!(row.description.as_deref(), Some("N/A"));

    let patch = json!({"metadata": {"labels": {"kagent.dev/mcp-service": null}}});
    let services = world.api::<Service>();
    services
        .patch("clock", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    world.wait_for_rows(&[]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_servers_that_went_while_nobody_led_are_swept() {
    let world = World::start(Leadership::Follower).await;
    for (name, kind) in [
        ("gone", "RemoteMCPServer.kagent.dev"),
        ("gone-too", "Service"),
        ("gone-as-well", "MCPServer.kagent.dev"),
    ] {
        let row = kagent_core::store::tools::NewToolServer {
            name: format!("{NAMESPACE}/{name}"),
            group_kind: kind.to_owned(),
            description: String::new(),
        };
        world.store.upsert_tool_server(&row).await.expect("stored");
    }
    settle().await;
    assert_eq!(world.server_rows().await.len(), 3, "a follower deleted rows");
    world.leader.set(Leadership::Leader);
    world.wait_for_rows(&[]).await;
    world.stop().await;
}
