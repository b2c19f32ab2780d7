//! One start of an agent: its port and its container, made from one version of the pod template.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodSpec};
use kube::ResourceExt;
use tokio::time::Instant;

use super::{
    container::{ContainerRequest, RunningContainer},
    context::Context,
    environment::{Placement, PodFacts},
    logs::AgentLog,
    ports::PortLease,
};
use crate::error::{Error, Result};

const LOOPBACK: &str = "127.0.0.1";

/// A started agent.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) container: RunningContainer,
    pub(super) port: PortLease,
    pub(super) began: Instant,
    /// Since when it answers.
    pub(super) ready_since: Option<Instant>,
    /// Probes in a row that it did not answer.
    pub(super) missed: u32,
}

impl Instance {
    /// Starts the agent of `deployment` with files under `dir`.
    ///
    /// # Errors
    /// One line that says why it cannot run here.
    pub(super) async fn start(
        context: &Arc<Context>,
        namespace: &str,
        deployment: &Deployment,
        dir: PathBuf,
        log: &AgentLog,
    ) -> Result<Self> {
        let pod = deployment.spec.template.spec.clone();
        let pod = Arc::new(pod.ok_or_else(|| Error::invalid("the Deployment has no pod"))?);
        let port = context
            .ports
            .take()
            .map_err(|error| Error::unavailable("there is no free port").with_source(error))?;
        let request = ContainerRequest {
            placement: place(namespace, deployment, &pod, &port, &context.server_url),
            pod,
            dir,
            claims: context.dirs.claims(namespace),
            grace: context.grace,
        };
        Ok(Self {
            container: context.host.start(request, log).await?,
            port,
            began: Instant::now(),
            ready_since: None,
            missed: 0,
        })
    }

    /// Stops the process and removes its files, which hold secrets.
    pub(super) async fn stop(self) {
        self.container.stop().await;
    }

    /// Removes the files of a process that has ended by itself.
    pub(super) async fn clean_up(self) {
        self.container.clean_up().await;
    }
}

/// `PORT`, and `KAGENT_URL` where the template has it, are standalone mode's: what the template says about them is true
/// in a pod only.
fn place(namespace: &str, deployment: &Deployment, pod: &PodSpec, port: &PortLease, server_url: &str) -> Placement {
    let metadata = deployment.spec.template.metadata.clone().unwrap_or_default();
    let number = port.port().to_string();
    let variables = |second: &str| {
        BTreeMap::from([
            ("PORT".to_owned(), number.clone()),
            (second.to_owned(), server_url.to_owned()),
        ])
    };
    Placement {
        listen: port.address(),
        pod: PodFacts {
            name: deployment.name_any(),
            namespace: namespace.to_owned(),
            uid: deployment.uid().unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            service_account: pod.service_account_name.clone().unwrap_or_default(),
            node: "localhost".to_owned(),
            pod_ip: LOOPBACK.to_owned(),
            host_ip: LOOPBACK.to_owned(),
        },
        initial: variables("PROXY_URL"),
        fixed: variables("KAGENT_URL"),
    }
}
