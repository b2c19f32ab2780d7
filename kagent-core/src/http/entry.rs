//! The way into the API: calls of agents go straight to their handler, past the layers and the routing of all other
//! routes, which cost more than the hop to the agent itself. They have the same request id and the same log line.

use std::{
    convert::Infallible,
    fmt::Display,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use futures::FutureExt;
use http::{HeaderValue, Method, Uri};
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

use super::{
    AppState,
    a2a::{AgentPath, answer},
    proxy::X_KAGENT_HOST,
};
use crate::{
    error::Error,
    web::{
        error::error_response,
        layers::{REQUEST_ID, log_answer, request_id},
    },
};

/// The whole API as a service. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    state: AppState,
    whole: Router,
}

impl Api {
    /// In front of the router with all routes, which gets whatever is no plain call of an agent.
    pub(super) fn new(state: AppState, whole: Router) -> Self {
        Self(Arc::new(Parts { state, whole }))
    }
}

impl Parts {
    fn find_path<B>(&self, request: &Request<B>) -> Option<AgentPath> {
        if self.state.proxies_hosts && request.headers().contains_key(X_KAGENT_HOST) {
            return None;
        }
        AgentPath::parse_plain(request.uri().path())
    }

    async fn call_agent<B>(&self, path: AgentPath, mut request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let call = Call {
            id: request_id(request.headers()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            began: Instant::now(),
        };
        request.headers_mut().insert(REQUEST_ID, call.id.clone());
        let answered = AssertUnwindSafe(answer(&self.state, path, request))
            .catch_unwind()
            .await;
        let mut response = answered.unwrap_or_else(|_| {
            let error = Error::internal("Internal server error");
            error_response(&error.with_source("a request to an agent panicked"))
        });
        call.log(&response);
        response.headers_mut().insert(REQUEST_ID, call.id);
        response
    }
}

/// What the log says of a call.
struct Call {
    id: HeaderValue,
    method: Method,
    uri: Uri,
    began: Instant,
}

impl Call {
    /// The log line: at `debug`, as there is one per turn of every user, and at `info` when the call was refused.
    fn log(&self, response: &Response) {
        let is_refused = !response.status().is_success();
        if is_refused || tracing::enabled!(target: "kagent_core::web::layers", tracing::Level::DEBUG) {
            crate::web::layers::request_span(&self.method, self.uri.path(), &self.id)
                .in_scope(|| log_answer(response.status(), self.began, !is_refused));
        }
    }
}

impl<B> Service<Request<B>> for Api
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError> + Display,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let parts = Arc::clone(&self.0);
        match parts.find_path(&request) {
            Some(path) => Box::pin(async move { Ok(parts.call_agent(path, request).await) }),
            None => Box::pin(parts.whole.clone().oneshot(request.map(Body::new))),
        }
    }
}

#[cfg(all(test, feature = "sqlite", feature = "runtime"))]
mod tests {
    use http::StatusCode;
    use kagent_api::v1alpha2::{Agent, AgentSpec};
    use parking_lot::Mutex;
    use tracing::Level;

    use super::*;
    use crate::{
        a2a::{Relay, RelayConfig},
        auth::{AllowAll, unsecured::Unsecured},
        card::standard::StandardCards,
        clock::SystemClock,
        cluster::{Cluster, WatchScope},
        http::{BuildInfo, Limits, service},
        ident::AgentRef,
        registry::{AgentRoute, RouteWriter, table::RouteTable},
        resolve::FixedResolver,
        store::sqlite::SqliteStore,
        tasks::Tasks,
    };

    const SEND: &str = r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{}}}"#;

    /// An API with one agent, `kagent/a`, that does not listen.
    async fn api() -> Api {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = nobody.local_addr().expect("address").port();
        drop(nobody);
        let never = tower::service_fn(|_: Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, BoxError>>()
        });
        let (tasks, _ends) = Tasks::new();
        let routes = Arc::new(RouteTable::new());
        let agent = AgentRef::new("kagent", "a");
        let object = Arc::new(Agent::new("a", AgentSpec::default()));
        routes.upsert_route(AgentRoute::new(agent, object).expect("a route"));
        service(AppState {
            store: Arc::new(
                SqliteStore::open_in_memory(Arc::new(SystemClock))
                    .await
                    .expect("a database"),
            ),
            authenticator: Arc::new(Unsecured),
            authorizer: Arc::new(AllowAll),
            cluster: Cluster::start(kube::Client::new(never, "default"), WatchScope::All, &tasks),
            options: Arc::default(),
            routes,
            cards: Arc::new(StandardCards),
            relay: Relay::new(RelayConfig::new(Arc::new(FixedResolver::new("127.0.0.1", port)))),
            base_url: Arc::new("http://127.0.0.1:8083".parse().expect("a URL")),
            proxies_hosts: false,
            build: Arc::new(BuildInfo {
                version: "test".to_owned(),
                git_commit: "test".to_owned(),
                build_date: "test".to_owned(),
            }),
            limits: Limits::default(),
        })
    }

    async fn call(api: &Api, path: &str, id: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::post(path);
        if let Some(id) = id {
            request = request.header(REQUEST_ID, id);
        }
        let request = request.body(Body::from(SEND)).expect("a request");
        let response = api.clone().oneshot(request).await.expect("infallible");
        let id = response.headers()[REQUEST_ID].to_str().expect("text").to_owned();
        (response.status(), id)
    }

    #[tokio::test]
    async fn a_call_of_an_agent_has_its_callers_request_id_or_a_new_one() {
        let api = api().await;
        for path in ["/api/a2a/kagent/a/", "/api/a2a/kagent/unknown/", "/api/unknown"] {
            assert_eq!(call(&api, path, Some("abc-1")).await.1, "abc-1", "{path}");
            let (_, first) = call(&api, path, None).await;
            let (_, second) = call(&api, path, Some("not a word")).await;
            assert_eq!((first.len(), second.len()), (36, 36), "{path}");
            assert_ne!(first, second, "{path}");
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn logged(api: &Api, level: Level, path: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        call(api, path, Some("abc-1")).await;
        drop(guard);
        String::from_utf8_lossy(&lines.0.lock()).into_owned()
    }

    #[tokio::test]
    async fn a_call_is_one_line_at_debug_and_a_refused_one_at_info() {
        let api = api().await;
        let is_line = |line: &&str, status: &str| {
            line.contains("http.request{http.method=POST http.path=")
                && line.contains("request.id=\"abc-1\"")
                && line.contains(&format!("http.status={status} duration_ms="))
        };
        let count = |text: &str, status: &str| text.lines().filter(|line| is_line(line, status)).count();
        let called = "/api/a2a/kagent/a/";
        assert_eq!(count(&logged(&api, Level::DEBUG, called).await, "200"), 1);
        let text = logged(&api, Level::INFO, called).await;
        assert_eq!(count(&text, "200"), 0, "{text}");
        let failure = text
            .lines()
            .find(|line| line.contains("agent gave no answer"))
            .expect("why");
        assert!(failure.contains("request.id=\"abc-1\""), "{failure}");
        let text = logged(&api, Level::INFO, "/api/a2a/kagent/unknown/").await;
        assert_eq!(count(&text, "404"), 1, "{text}");
    }
}
