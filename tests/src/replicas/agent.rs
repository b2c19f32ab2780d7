//! An agent that answers at once, and streams an event every tenth of a second for as long as it is asked to.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Result;
use axum::{
    Json, Router,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// Time between two events of a stream.
const TICK: Duration = Duration::from_millis(100);

/// A running agent; it ends when this is dropped.
pub struct ScriptedAgent {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl ScriptedAgent {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let router = Router::new().fallback(answer);
            // It ends with the value that holds it.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            _serving: serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(Json(request): Json<Value>) -> Response {
    let (id, message) = (request["id"].clone(), request["params"]["message"].clone());
    let events = message["metadata"]["events"].as_u64().unwrap_or_default();
    let event = move |number: u64| {
        json!({"jsonrpc": "2.0", "id": id, "result": {
            "kind": "message", "role": "agent", "messageId": format!("answer-{number}"),
            "parts": [{"kind": "text", "text": number.to_string()}],
        }})
    };
    if request["method"] != "message/stream" {
        return Json(event(0)).into_response();
    }
    let events = stream::iter(0..events).then(move |number| {
        let event = Event::default().data(event(number).to_string());
        async move {
            tokio::time::sleep(TICK).await;
            Ok::<_, Infallible>(event)
        }
    });
    Sse::new(events).into_response()
}
