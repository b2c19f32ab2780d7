//! A client that writes only while this replica leads. The question is asked at the last moment, right before a request is
//! sent, so that a process that was paused between two steps does not go on where it stopped.

use std::sync::Arc;

use http::{Method, Request, Response};
use kube::{Client, client::Body, core::Status};
use tower::BoxError;

use crate::leader::LeaderElector;

/// `client`, whose writes are refused while `leader` does not lead. Reads pass.
pub(super) fn gate_writes(client: &Client, leader: Arc<dyn LeaderElector>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, leader) = (client.clone(), Arc::clone(&leader));
        async move { send(&client, &*leader, request).await }
    });
    Client::new(service, namespace)
}

async fn send(client: &Client, leader: &dyn LeaderElector, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(client.send(request).await?);
    }
    // Held until the answer is there: leadership is not handed on while a write is under way.
    let Some(_permit) = leader.begin_write() else {
        return Err(Box::new(refuse()));
    };
    Ok(client.send(request).await?)
}

/// As the API server would say it, so that callers need not know of this.
fn refuse() -> kube::Error {
    kube::Error::Api(Box::new(
        Status::failure("this replica does not lead any more", "ServiceUnavailable").with_code(503),
    ))
}
