//! Clusters in this process: tower services by cluster id. For tests and for a hub that serves its own cluster.

use std::{collections::HashMap, convert::Infallible};

use async_trait::async_trait;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tower::{ServiceExt, util::BoxCloneService};

use super::{Body, SpokeTransport};
use crate::{
    error::{Error, Result},
    ident::ClusterId,
};

/// The service of one cluster.
pub type ClusterService = BoxCloneService<http::Request<Body>, http::Response<Body>, Infallible>;

/// Calls services in this process.
#[derive(Default)]
pub struct LoopbackTransport {
    clusters: Mutex<HashMap<ClusterId, ClusterService>>,
}

impl LoopbackTransport {
    /// Without any cluster.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a cluster.
    pub fn insert(&self, cluster: ClusterId, service: ClusterService) {
        self.clusters.lock().insert(cluster, service);
    }

    /// Takes a cluster away; requests under way go on.
    pub fn remove(&self, cluster: &ClusterId) {
        self.clusters.lock().remove(cluster);
    }
}

#[async_trait]
impl SpokeTransport for LoopbackTransport {
    async fn send(&self, cluster: &ClusterId, request: http::Request<Body>) -> Result<http::Response<Body>> {
        let service = self.clusters.lock().get(cluster).cloned();
        let service = service.ok_or_else(|| Error::not_found(format!("cluster {cluster} is not known")))?;
        let answer: BoxFuture<'static, _> = Box::pin(service.oneshot(request));
        match answer.await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::error::ErrorKind;

    fn body(text: &'static str) -> Body {
        Full::new(Bytes::from_static(text.as_bytes()))
            .map_err(|never| match never {})
            .boxed_unsync()
    }

    #[tokio::test]
    async fn the_named_cluster_answers_and_an_unknown_one_is_not_found() {
        let transport = LoopbackTransport::new();
        let eu: ClusterId = "eu".parse().expect("id");
        let echo = tower::service_fn(|request: http::Request<Body>| async move {
            Ok::<_, Infallible>(http::Response::new(request.into_body()))
        });
        transport.insert(eu.clone(), BoxCloneService::new(echo));

        let answer = transport
            .send(&eu, http::Request::new(body("hello")))
            .await
            .expect("answers");
        assert_eq!(answer.into_body().collect().await.expect("body").to_bytes(), "hello");

        transport.remove(&eu);
        let error = transport
            .send(&eu, http::Request::new(body("")))
            .await
            .expect_err("unknown");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(feature = "test-util")]
    #[tokio::test]
    async fn keeps_the_contract() {
        use crate::transport::contract::{check, serve_contract};

        let transport = LoopbackTransport::new();
        let eu: ClusterId = "eu".parse().expect("id");
        transport.insert(eu.clone(), BoxCloneService::new(tower::service_fn(serve_contract)));
        check(std::sync::Arc::new(transport), &eu, &"us".parse().expect("id")).await;
    }
}
