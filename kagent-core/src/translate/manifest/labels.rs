//! Labels and annotations of an agent's objects. The labels that select pods never change, whatever the user sets.

use std::collections::BTreeMap;

use super::super::{options::TranslateOptions, resolved::ResolvedAgent};

/// kubectl's copy of the Agent, which says nothing true about another object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The labels by which Service and Deployment find the pods.
pub(super) fn build_selector(agent: &ResolvedAgent) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app".to_owned(), "kagent".to_owned()),
        ("kagent".to_owned(), agent.name.clone()),
    ])
}

/// Labels of objects and pods: ours, then the operator's, then the agent's, then those that select.
pub(super) fn build_labels(agent: &ResolvedAgent, options: &TranslateOptions) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), "kagent".to_owned()),
        ("app.kubernetes.io/part-of".to_owned(), "kagent".to_owned()),
        ("app.kubernetes.io/name".to_owned(), agent.name.clone()),
    ]);
    labels.extend(options.default_agent_pod_labels.clone());
    labels.extend(agent.pod.labels.clone());
    labels.extend(build_selector(agent));
    labels
}

/// The Agent's own annotations, without kubectl's record of the Agent.
pub(super) fn build_annotations(agent: &ResolvedAgent) -> Option<BTreeMap<String, String>> {
    let mut annotations = agent.annotations.clone();
    annotations.remove(LAST_APPLIED);
    (!annotations.is_empty()).then_some(annotations)
}
