//! Every operation of the OpenAPI document is asked without a token and for something that does not exist. An operation
//! without a row here fails the test.

use std::sync::Arc;

use axum::body::Body;
use embedded_kube::EmbeddedKube;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kagent_core::{
    a2a::{Relay, RelayConfig},
    auth::{AllowAll, Authenticator, trusted_proxy::TrustedProxy, unsecured::Unsecured},
    card::standard::StandardCards,
    clock::SystemClock,
    cluster::{Cluster, WatchScope},
    http::{AppState, BuildInfo, Limits, openapi, router},
    registry::table::RouteTable,
    resolve::DnsResolver,
    store::sqlite::SqliteStore,
    tasks::Tasks,
};
use tower::ServiceExt;

/// Operation, request (method, path, body), status without a token, status of the unknown thing.
type Row = (&'static str, &'static str, &'static str, &'static str, u16, u16);

const AGENT: &str = r#"{"metadata":{"name":"nope","namespace":"nope"},"spec":{"type":"Declarative","declarative":{"modelConfig":"nope"}}}"#;
const ROWS: [Row; 20] = [
    ("getHealth", "GET", "/health", "", 200, 200),
    ("getVersion", "GET", "/version", "", 200, 200),
    ("getMe", "GET", "/api/me?user_id=nope", "", 401, 200),
    ("listNamespaces", "GET", "/api/namespaces?name=nope", "", 401, 200),
    ("listAgents", "GET", "/api/agents?namespace=nope", "", 401, 200),
    ("createAgent", "POST", "/api/agents", AGENT, 401, 400),
    ("updateAgent", "PUT", "/api/agents", AGENT, 401, 404),
    ("getAgent", "GET", "/api/agents/nope/nope", "", 401, 404),
    ("deleteAgent", "DELETE", "/api/agents/nope/nope", "", 401, 404),
    ("listSessions", "GET", "/api/sessions?user_id=nope", "", 401, 200),
    (
        "createSession",
        "POST",
        "/api/sessions",
        r#"{"agent_ref":"nope/nope"}"#,
        401,
        400,
    ),
    (
        "listSessionsForAgent",
        "GET",
        "/api/sessions/agent/nope/nope",
        "",
        401,
        404,
    ),
    ("getSession", "GET", "/api/sessions/nope", "", 401, 404),
    (
        "updateSession",
        "PUT",
        "/api/sessions/x",
        r#"{"name":"nope","agent_ref":"nope/nope"}"#,
        401,
        404,
    ),
    ("deleteSession", "DELETE", "/api/sessions/nope", "", 401, 200),
    (
        "appendEvent",
        "POST",
        "/api/sessions/nope/events?user_id=nope",
        "{}",
        401,
        404,
    ),
    (
        "saveTask",
        "POST",
        "/api/tasks",
        r#"{"history":[{"parts":[{"kind":"nope"}]}]}"#,
        401,
        400,
    ),
    ("getTask", "GET", "/api/tasks/nope", "", 401, 404),
    ("deleteTask", "DELETE", "/api/tasks/nope", "", 401, 204),
    ("listSessionTasks", "GET", "/api/sessions/nope/tasks", "", 401, 404),
];

async fn build_router(authenticator: Arc<dyn Authenticator>, tasks: &Tasks) -> axum::Router {
    let kube = EmbeddedKube::builder().build().expect("an embedded cluster");
    kube.install_crds(kagent_api::crds::all_crds())
        .expect("the CRDs are installed");
    let state = AppState {
        store: Arc::new(
            SqliteStore::open_in_memory(Arc::new(SystemClock))
                .await
                .expect("a database"),
        ),
        cluster: Cluster::start(kube.client(), WatchScope::All, tasks),
        options: Arc::default(),
        routes: Arc::new(RouteTable::default()),
        cards: Arc::new(StandardCards),
        relay: Relay::new(RelayConfig::new(Arc::new(DnsResolver))),
        base_url: Arc::new("http://127.0.0.1:8083".parse().expect("a URL")),
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
    router(state)
}

async fn ask(router: &axum::Router, (operation, method, path, body, _, _): Row) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, format!("{operation}: {}", String::from_utf8_lossy(&body)))
}

#[test]
fn every_operation_has_a_row() {
    let document = openapi();
    let mut operations: Vec<String> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|path| path.as_object().expect("operations").values())
        .map(|operation| operation["operationId"].as_str().expect("an id").to_owned())
        .collect();
    let mut rows: Vec<_> = ROWS.iter().map(|row| row.0.to_owned()).collect();
    operations.sort();
    rows.sort();
    assert_eq!(operations, rows);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_see() {
    let (tasks, _ends) = Tasks::new();
    let router = build_router(Arc::new(TrustedProxy::new("sub")), &tasks).await;
    for row in ROWS {
        let (status, text) = ask(&router, row).await;
        assert_eq!(status.as_u16(), row.4, "{text}");
        if status == StatusCode::UNAUTHORIZED {
            assert!(text.ends_with(": Unauthorized\n"), "{text}");
        }
    }
    tasks.shutdown_token().cancel();
}

#[tokio::test]
async fn what_does_not_exist_is_answered_as_documented() {
    let (tasks, _ends) = Tasks::new();
    let router = build_router(Arc::new(Unsecured), &tasks).await;
    for row in ROWS {
        let (status, text) = ask(&router, row).await;
        assert_eq!(status.as_u16(), row.5, "{text}");
    }
    tasks.shutdown_token().cancel();
}
