//! Writes what is true of an agent's process into the status of its Deployment.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    super::deployment_status::{Observed, build_status, wanted_replicas},
    Next, Supervisor,
};

impl Supervisor {
    /// Writes the status when it has changed. A failure is made good after the next event, at the latest with the next
    /// probe.
    pub(super) async fn write_status(&mut self) {
        let Some(deployment) = &self.deployment else { return };
        let next_is_running = matches!(self.next, Next::Running(_));
        let observed = Observed {
            generation: deployment.metadata.generation,
            wanted: wanted_replicas(deployment),
            running: self.current.is_some() || next_is_running,
            updated: next_is_running || self.current.is_some() && matches!(self.next, Next::None),
            ready: self
                .current
                .as_ref()
                .is_some_and(|current| current.ready_since.is_some()),
            problem: self.problem.clone(),
        };
        let before = self.written.as_ref().or(deployment.status.as_ref());
        let status = build_status(&observed, before, self.context.clock.now());
        if self.written.as_ref() == Some(&status) {
            return;
        }
        let api = Api::<Deployment>::namespaced(self.context.client.clone(), &self.namespace);
        // A merge patch removes a field by null only, and counts of zero are absent in the typed form.
        let patch = json!({"status": {
            "observedGeneration": status.observed_generation,
            "replicas": status.replicas,
            "updatedReplicas": status.updated_replicas,
            "readyReplicas": status.ready_replicas,
            "availableReplicas": status.available_replicas,
            "unavailableReplicas": status.unavailable_replicas,
            "conditions": status.conditions,
        }});
        match api
            .patch_status(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Ok(_) => self.written = Some(status),
            Err(error) => tracing::debug!(%error, agent.name = self.name, "cannot write the status of a Deployment"),
        }
    }
}
