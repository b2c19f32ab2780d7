//! The Service by which an agent is reached: named like the agent, port 8080.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    super::{AGENT_PORT, options::TranslateOptions, resolved::ResolvedAgent},
    build_metadata, labels,
};

/// The Service of `agent`.
pub(super) fn build_service(agent: &ResolvedAgent, options: &TranslateOptions) -> Service {
    Service {
        metadata: build_metadata(agent, options),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(labels::build_selector(agent)),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: AGENT_PORT,
                target_port: Some(IntOrString::Int(AGENT_PORT)),
                app_protocol: agent.marks_service.then(|| "kgateway.dev/a2a".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
