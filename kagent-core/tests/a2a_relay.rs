//! The A2A hop against agents that are scripted byte by byte: what passes, what is refused, how exchanges end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kagent_api::v1alpha2::{Agent, AgentSpec};
use kagent_core::{
    a2a::{Exchange, Relay, RelayConfig, relay::AnswerBody},
    card::{AgentCardTranslator, standard::StandardCards},
    ident::AgentRef,
    registry::AgentRoute,
    resolve::{DnsResolver, HostTable},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

const SEND: &str = r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m"}}}"#;
const STREAM: &str = r#"{"jsonrpc":"2.0","id":"s-1","method":"message/stream","params":{"message":{"messageId":"m"}}}"#;
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn event(id: &str, result: &str) -> String {
    format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n\n")
}

fn json_answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One request as an agent received it.
#[derive(Debug)]
struct Received {
    head: String,
    body: Vec<u8>,
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("length"));
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { head, body })
}

/// An agent whose connections are handled by `play`, and what it received.
struct ScriptedAgent {
    port: u16,
    received: mpsc::UnboundedReceiver<Received>,
    _connections: JoinSet<()>,
}

impl ScriptedAgent {
    async fn start<F, Fut>(play: F) -> Self
    where
        F: Fn(TcpStream, String) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let port = listener.local_addr().expect("address").port();
        let (tell, received) = mpsc::unbounded_channel();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (tell, play) = (tell.clone(), play.clone());
                open.spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        let path = request.head.split(' ').nth(1).unwrap_or_default().to_owned();
                        let _ = tell.send(request);
                        play(stream, path).await;
                    }
                });
            }
        });
        Self {
            port,
            received,
            _connections: connections,
        }
    }

    /// Answers every request with these bytes and closes.
    async fn answering(answer: impl Into<String>) -> Self {
        let answer: Arc<str> = Arc::from(answer.into());
        Self::start(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        })
        .await
    }
}

struct World {
    relay: Relay,
    route: Arc<AgentRoute>,
}

fn world(port: u16, adjust: impl FnOnce(&mut RelayConfig)) -> World {
    let hosts = HostTable::new(Arc::new(DnsResolver));
    hosts.insert("a.kagent", 8080, ([127, 0, 0, 1], port).into());
    let mut config = RelayConfig::new(Arc::new(hosts));
    adjust(&mut config);
    let mut agent = Agent::new("a", AgentSpec::default());
    agent.metadata.namespace = Some("kagent".to_owned());
    let route = AgentRoute::new(AgentRef::new("kagent", "a"), Arc::new(agent)).expect("route");
    World {
        relay: Relay::new(config),
        route: Arc::new(route),
    }
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/api/a2a/kagent/a/")
        .body(Full::new(body.into()))
        .expect("request")
}

impl World {
    async fn call(&self, request: Request<Full<Bytes>>) -> Response<AnswerBody> {
        let exchange = Exchange {
            route: Arc::clone(&self.route),
            user_id: "alice".to_owned(),
            request,
            extra_headers: http::HeaderMap::new(),
        };
        let card = || {
            let base = "http://server".parse().expect("url");
            StandardCards.card(&self.route.resource, &base)
        };
        self.relay.serve(exchange, card).await
    }

    async fn text(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let answer = self.call(request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn json(&self, body: impl Into<Bytes>) -> Value {
        let (_, text) = self.text(post(body)).await;
        serde_json::from_str(&text).expect("json")
    }
}

async fn next(body: &mut AnswerBody) -> Option<String> {
    let frame = body.frame().await?.expect("frame");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text"))
}

/// The `data` documents of a stream's text.
fn events(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
        .map(|data| serde_json::from_str(data).expect("json"))
        .collect()
}

#[tokio::test]
async fn unary_bytes_pass_untouched_in_both_directions() {
    let answer = r#"{ "jsonrpc":"2.0","result":{"kind":"message","n":123456789012345678901,"x":[1.0,null]},"id":1 }"#;
    let mut agent = ScriptedAgent::answering(json_answer(answer)).await;
    let world = world(agent.port, |_| {});
    let sent = r#"{"jsonrpc":"2.0", "id":1,"method":"message/send","params":{"message":{"big":98765432109876543210,"u":"\u00fc"}}}"#;
    let request = Request::post("/api/a2a/kagent/a/sub?x=y")
        .header("authorization", "Bearer t")
        .header("cookie", "a=b")
        .header("x-user-id", "mallory")
        .body(Full::from(sent))
        .expect("request");
    let (status, text) = world.text(request).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, answer));
    let received = agent.received.recv().await.expect("request");
    assert_eq!(String::from_utf8(received.body).expect("text"), sent);
    assert!(received.head.starts_with("post / http/1.1\r\n"), "{}", received.head);
    for line in [
        "host: a.kagent:8080",
        "a2a-version: 0.3",
        "authorization: bearer t",
        "x-user-id: alice",
    ] {
        assert!(
            received.head.contains(&format!("{line}\r\n")),
            "{line} in {}",
            received.head
        );
    }
    assert!(!received.head.contains("cookie"));
}

#[tokio::test]
async fn a_big_body_passes_and_a_bigger_one_is_refused_with_413() {
    let mut agent = ScriptedAgent::answering(json_answer(r#"{"id":1,"result":{}}"#)).await;
    let world = world(agent.port, |config| config.max_body = 3 << 20);
    let body = |size: usize| SEND.replace("\"m\"", &format!("\"{}\"", "x".repeat(size)));
    assert_eq!(world.json(body(2 << 20)).await, json!({"id":1,"result":{}}));
    assert_eq!(
        agent.received.recv().await.expect("request").body.len(),
        body(2 << 20).len()
    );
    let (status, text) = world.text(post(body(3 << 20))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let error: Value = serde_json::from_str(&text).expect("json");
    assert_eq!((&error["id"], &error["error"]["code"]), (&Value::Null, &json!(-32600)));
}

#[tokio::test]
async fn an_agent_that_is_away_is_an_internal_error_on_both_kinds_of_call() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let world = world(port, |_| {});
    let error = world.json(SEND).await;
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(-32603)));
    let message = "failed to send HTTP request: Post \"http://a.kagent:8080\": connection refused";
    assert_eq!(error["error"]["message"], message);
    let (status, text) = world.text(post(STREAM)).await;
    assert_eq!(status, StatusCode::OK);
    let events = events(&text);
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["id"], &events[0]["error"]["message"]),
        (&json!("s-1"), &json!(message))
    );
}

#[tokio::test]
async fn http_errors_of_the_agent_are_named_and_their_body_is_hidden() {
    for (answer, message) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\n\r\nsecret",
            "503 Service Unavailable",
        ),
        (
            "HTTP/1.1 307 Moved\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
            "307 Temporary Redirect",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "204 No Content"),
    ] {
        let agent = ScriptedAgent::answering(answer).await;
        let error = world(agent.port, |_| {}).json(SEND).await;
        assert_eq!(error["error"]["message"], format!("unexpected HTTP status: {message}"));
    }
}

#[tokio::test]
async fn a_cut_answer_counts_when_its_document_is_whole() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"id\":9,\"result\":{}}";
    let agent = ScriptedAgent::answering(whole).await;
    assert_eq!(world(agent.port, |_| {}).json(SEND).await, json!({"id":1,"result":{}}));
    let agent = ScriptedAgent::answering("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"id\":9,").await;
    assert_eq!(world(agent.port, |_| {}).json(SEND).await["error"]["code"], -32603);
    let agent = ScriptedAgent::answering("").await;
    let error = world(agent.port, |_| {}).json(SEND).await;
    assert!(
        error["error"]["message"].as_str().expect("text").ends_with(": EOF"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stream_is_not_buffered_and_carries_the_callers_id() {
    let (release, wait) = tokio::sync::watch::channel(0);
    let agent = ScriptedAgent::start(move |mut stream, _| {
        let mut wait = wait.clone();
        async move {
            let first = SSE_HEAD.to_owned() + &chunk(&event("77", r#"{"n":1}"#));
            stream.write_all(first.as_bytes()).await.expect("write");
            wait.wait_for(|&step| step == 1).await.expect("step");
            let last = chunk(&event("77", r#"{"n":2}"#)) + "0\r\n\r\n";
            stream.write_all(last.as_bytes()).await.expect("write");
        }
    })
    .await;
    let world = world(agent.port, |_| {});
    let answer = world.call(post(STREAM)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut body = answer.into_body();
    assert_eq!(
        next(&mut body).await.expect("event"),
        "id: 1.1\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s-1\",\"result\":{\"n\":1}}\n\n"
    );
    release.send(1).expect("agent");
    assert!(next(&mut body).await.expect("event").starts_with("id: 1.2\n"));
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_silent_stream_carries_comments_and_ends_after_the_idle_time() {
    let agent = ScriptedAgent::start(|mut stream, _| async move {
        stream.write_all(SSE_HEAD.as_bytes()).await.expect("write");
        std::future::pending::<()>().await;
    })
    .await;
    let world = world(agent.port, |config| {
        config.keep_alive = Duration::from_millis(40);
        config.idle_timeout = Duration::from_millis(300);
    });
    let started = Instant::now();
    let mut body = world.call(post(STREAM)).await.into_body();
    assert!(
        started.elapsed() < Duration::from_millis(200),
        "the head waits for the agent"
    );
    assert_eq!(next(&mut body).await.as_deref(), Some(": keep-alive\n\n"));
    assert_eq!(next(&mut body).await.as_deref(), Some(": keep-alive\n\n"));
    let last = loop {
        let text = next(&mut body).await.expect("event");
        if !text.starts_with(':') {
            break text;
        }
    };
    assert_eq!(
        events(&last)[0]["error"]["message"],
        "SSE stream error: the agent was silent for too long"
    );
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_and_a_closed_one_just_ends() {
    let cut = SSE_HEAD.to_owned() + &chunk(&event("1", "{}"));
    let agent = ScriptedAgent::answering(cut.clone()).await;
    let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
    let seen = events(&text);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1]["error"]["message"], "SSE stream error: unexpected EOF");
    let agent = ScriptedAgent::answering(cut + "0\r\n\r\n").await;
    let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
    assert_eq!(events(&text), [json!({"jsonrpc":"2.0","id":"s-1","result":{}})]);
}

#[tokio::test]
async fn one_document_for_a_stream_call_is_its_only_event() {
    for document in [
        r#"{"jsonrpc":"2.0","id":5,"result":{"kind":"task"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"error":{"code":-32001,"message":"Task not found","data":"x"}}"#,
    ] {
        let agent = ScriptedAgent::answering(json_answer(document)).await;
        let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
        let expected: Value = serde_json::from_str(&document.replace(":5,", ":\"s-1\",")).expect("json");
        assert_eq!(events(&text), [expected]);
    }
}

#[tokio::test]
async fn odd_streams_are_understood() {
    let wrong_label = SSE_HEAD.replace("text/event-stream", "application/json");
    let agent = ScriptedAgent::answering(wrong_label + &chunk(&event("1", "{}")) + "0\r\n\r\n").await;
    let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
    assert_eq!(events(&text).len(), 1);
    let body = "data: {\ndata: \"id\":1,\"result\":7}\n\n: ping\n\ndata\n\ndata: [DONE]\n\n";
    let agent = ScriptedAgent::answering(SSE_HEAD.to_owned() + &chunk(body) + "0\r\n\r\n").await;
    let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
    assert_eq!(text, "id: 1.1\ndata: {\ndata: \"id\":\"s-1\",\"result\":7}\n\n");
}

#[tokio::test]
async fn an_event_that_is_no_json_rpc_ends_the_stream_with_an_error() {
    let body = chunk("data: {\"kind\":\"status-update\"}\n\n") + &chunk(&event("1", "{}"));
    let agent = ScriptedAgent::answering(SSE_HEAD.to_owned() + &body + "0\r\n\r\n").await;
    let (_, text) = world(agent.port, |_| {}).text(post(STREAM)).await;
    let seen = events(&text);
    assert_eq!(seen.len(), 1);
    assert!(
        seen[0]["error"]["message"]
            .as_str()
            .expect("text")
            .starts_with("failed to parse SSE data: ")
    );
}

#[tokio::test]
async fn the_agent_sees_a_caller_leave() {
    let (tell, mut left) = mpsc::unbounded_channel();
    let agent = ScriptedAgent::start(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            stream.write_all(SSE_HEAD.as_bytes()).await.expect("write");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let _ = tell.send(());
        }
    })
    .await;
    let world = world(agent.port, |config| config.keep_alive = Duration::from_millis(20));
    let mut body = world.call(post(STREAM)).await.into_body();
    assert_eq!(next(&mut body).await.as_deref(), Some(": keep-alive\n\n"));
    drop(body);
    let noticed = tokio::time::timeout(Duration::from_secs(5), left.recv()).await;
    assert_eq!(noticed.expect("the agent noticed"), Some(()));
}

#[tokio::test]
async fn a_slow_caller_holds_back_the_agent_and_nothing_piles_up() {
    let (tell, mut wrote) = mpsc::unbounded_channel();
    let agent = ScriptedAgent::start(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            stream.write_all(SSE_HEAD.as_bytes()).await.expect("write");
            let event = chunk(&event("1", &format!("\"{}\"", "x".repeat(64 << 10))));
            while stream.write_all(event.as_bytes()).await.is_ok() {
                let _ = tell.send(event.len());
            }
        }
    })
    .await;
    let world = world(agent.port, |_| {});
    let mut body = world.call(post(STREAM)).await.into_body();
    next(&mut body).await.expect("event");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut total = 0;
    while let Ok(size) = wrote.try_recv() {
        total += size;
    }
    assert!(
        total < 32 << 20,
        "{total} bytes were taken from the agent for a caller that reads nothing"
    );
}

#[tokio::test]
async fn parallel_calls_do_not_wait_for_each_other() {
    let agent = ScriptedAgent::start(|mut stream, _| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer = json_answer(r#"{"id":1,"result":{}}"#);
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let world = Arc::new(world(agent.port, |_| {}));
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let world = Arc::clone(&world);
        calls.spawn(async move { world.json(SEND).await });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer, json!({"id":1,"result":{}}));
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn versions_must_match_and_the_agents_card_is_read_once() {
    let card =
        json_answer(r#"{"supportedInterfaces":[{"url":"u","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}"#);
    let refusal = json_answer(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#);
    let mut agent = ScriptedAgent::start(move |mut stream, path| {
        let answer = if path.starts_with("/.well-known") {
            card.clone()
        } else {
            refusal.clone()
        };
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let world = world(agent.port, |_| {});
    let error = world.json(SEND).await;
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(-32009)));
    assert!(
        agent
            .received
            .recv()
            .await
            .expect("request")
            .head
            .starts_with("post / ")
    );
    assert!(
        agent
            .received
            .recv()
            .await
            .expect("card")
            .head
            .starts_with("get /.well-known/agent-card.json")
    );
    assert_eq!(world.json(SEND).await["error"]["code"], -32009);
    assert!(agent.received.try_recv().is_err(), "the agent was asked again");
    let request = Request::post("/")
        .header("a2a-version", "1.0")
        .body(Full::from(SEND.replace("message/send", "SendMessage")))
        .expect("request");
    world.text(request).await;
    assert!(
        agent
            .received
            .recv()
            .await
            .expect("request")
            .head
            .contains("a2a-version: 1.0")
    );
}

#[tokio::test]
async fn a_caller_of_1_0_is_refused_by_an_agent_of_0_3_on_streams_too() {
    let agent = ScriptedAgent::answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let world = world(agent.port, |_| {});
    let request = Request::post("/?A2A-Version=1.0")
        .body(Full::from(STREAM.replace("message/stream", "SendStreamingMessage")))
        .expect("request");
    let (_, text) = world.text(request).await;
    assert_eq!(events(&text)[0]["error"]["code"], -32009);
    assert_eq!(events(&text)[0]["error"]["data"][0]["reason"], "VERSION_NOT_SUPPORTED");
    let request = Request::post("/").header("a2a-version", "2.0").body(Full::from(SEND));
    let (status, text) = world.text(request.expect("request")).await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::BAD_REQUEST, "unsupported A2A version \"2.0\"\n")
    );
}

#[tokio::test]
async fn activated_extensions_reach_the_caller() {
    let answer = SSE_HEAD.replace("\r\n\r\n", "\r\na2a-extensions: https://ext/one\r\n\r\n") + "0\r\n\r\n";
    let agent = ScriptedAgent::answering(answer).await;
    let request = Request::post("/")
        .header("x-a2a-extensions", "https://ext/one")
        .body(Full::from(STREAM))
        .expect("request");
    let answer = world(agent.port, |_| {}).call(request).await;
    assert_eq!(answer.headers()["a2a-extensions"], "https://ext/one");
}
