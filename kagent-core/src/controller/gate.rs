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

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{DeleteParams, Patch, PatchParams, PostParams},
    };
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::leader::{Leadership, manual::ManualLeader};

    /// An API server that notes what arrives and answers with an object.
    fn mk_client(arrived: Arc<Mutex<Vec<Method>>>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            arrived.lock().push(request.method().clone());
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
            std::future::ready(Ok::<_, BoxError>(Response::new(Body::from(
                object.to_string().into_bytes(),
            ))))
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn writes_arrive_only_while_this_replica_leads_and_reads_always() {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let leader = Arc::new(ManualLeader::new());
        let client = gate_writes(&mk_client(Arc::clone(&arrived)), leader.clone());
        let api: Api<ConfigMap> = Api::default_namespaced(client);
        let map = ConfigMap::default();
        let write = async || {
            [
                api.create(&PostParams::default(), &map).await.err(),
                api.patch("a", &PatchParams::default(), &Patch::Merge(&map)).await.err(),
                api.replace("a", &PostParams::default(), &map).await.err(),
                api.delete("a", &DeleteParams::default()).await.err(),
            ]
        };
        for refused in write().await {
            let error = refused.expect("a follower wrote");
            assert!(error.to_string().contains("does not lead"), "{error}");
        }
        api.get("a").await.expect("a follower reads");
        assert_eq!(*arrived.lock(), [Method::GET]);

        leader.set(Leadership::Leader);
        for failure in write().await {
            assert!(failure.is_none(), "{failure:?}");
        }
        assert_eq!(arrived.lock().len(), 5);
    }
}
