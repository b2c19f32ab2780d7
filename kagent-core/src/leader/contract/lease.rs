//! The contract on Leases, of any API server that a client leads to.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Request, Response};
use kube::{Client, client::Body};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use super::{Contender, Harness, SHORT_TIMES};
use crate::{
    clock::{SystemClock, new_id},
    leader::lease::{LEASE_NAME, LeaseConfig, LeaseElector},
    tasks::Tasks,
};

/// Candidates for one Lease.
pub struct LeaseHarness {
    client: Client,
    namespace: String,
    tasks: Tasks,
}

impl LeaseHarness {
    /// Candidates for the Lease of `namespace`, which must exist.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            tasks: Tasks::new().0,
        }
    }
}

#[async_trait]
impl Harness for LeaseHarness {
    async fn join(&self) -> Contender {
        let (cut_off, is_cut_off) = watch::channel(false);
        let client = self.client.clone();
        let service = tower::service_fn(move |request| {
            let (client, is_cut_off) = (client.clone(), is_cut_off.clone());
            async move { send(&client, is_cut_off, request).await }
        });
        let config = LeaseConfig {
            namespace: self.namespace.clone(),
            name: LEASE_NAME.to_owned(),
            identity: format!("candidate_{}", new_id()),
            times: SHORT_TIMES,
        };
        let resign = CancellationToken::new();
        let client = Client::new(service, "default");
        let elector = LeaseElector::new(client, config, Arc::new(SystemClock), resign.clone(), &self.tasks);
        Contender {
            elector: Arc::new(elector.expect("the durations fit together")),
            resign,
            cut_off,
        }
    }
}

async fn send(
    client: &Client,
    mut is_cut_off: watch::Receiver<bool>,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    // As a network that swallows packets: no answer, no error, and requests arrive late.
    is_cut_off.wait_for(|cut_off| !cut_off).await?;
    Ok(client.send(request).await?)
}
