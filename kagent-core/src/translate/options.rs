//! What the operator of this server decides about every agent: images, service accounts, proxies. Filled by the shell
//! from flags; nothing here reads the environment.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

/// Settings of the translator, one field per flag.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslateOptions {
    /// `--image-registry`.
    pub image_registry: String,
    /// `--image-repository`: of the Python runtime; the Go runtime is beside it.
    pub image_repository: String,
    /// `--image-tag`.
    pub image_tag: String,
    /// `--image-pull-policy`, of declarative and BYO agents.
    pub image_pull_policy: String,
    /// `--image-pull-secret`: added to declarative agents; empty for none.
    pub image_pull_secret: String,
    /// `--skills-init-image-registry`.
    pub skills_init_image_registry: String,
    /// `--skills-init-image-repository`.
    pub skills_init_image_repository: String,
    /// `--skills-init-image-tag`.
    pub skills_init_image_tag: String,
    /// `--default-service-account-name`: of agents that name none; empty makes one per agent.
    pub default_service_account_name: String,
    /// `--default-agent-pod-labels`.
    pub default_agent_pod_labels: BTreeMap<String, String>,
    /// `--default-agent-bind-host`: what runtimes listen on.
    pub default_agent_bind_host: String,
    /// `--proxy-url`: agents reach agents and tools in the cluster through it, by the header `x-kagent-host`.
    pub proxy_url: Option<Url>,
    /// `--mcp-egress-plaintext`: agents call tool servers by plain HTTP, something on the way adds TLS.
    pub mcp_egress_plaintext: bool,
    /// `--default-model-config-name`: of agents that name none; looked up in the agent's namespace.
    pub default_model_config_name: String,
    /// `KAGENT_CONTROLLER_NAME`: the Service of this server.
    pub controller_name: String,
    /// `KAGENT_NAMESPACE`: where this server runs.
    pub controller_namespace: String,
    /// `KAGENT_URL` of the agents, where it is not `http://<controller name>.<controller namespace>:8083`.
    pub controller_url: Option<String>,
    /// `--watch-namespaces`: what may be referred to; empty means every namespace.
    pub watch_namespaces: BTreeSet<String>,
    /// The server's own `OTEL_*` variables, which every agent gets.
    pub otel_env: BTreeMap<String, String>,
}

impl Default for TranslateOptions {
    /// The flags' defaults, with the tag `dev`.
    fn default() -> Self {
        Self {
            image_registry: "cr.kagent.dev".to_owned(),
            image_repository: "kagent-dev/kagent/app".to_owned(),
            image_tag: "dev".to_owned(),
            image_pull_policy: "IfNotPresent".to_owned(),
            image_pull_secret: String::new(),
            skills_init_image_registry: "cr.kagent.dev".to_owned(),
            skills_init_image_repository: "kagent-dev/kagent/skills-init".to_owned(),
            skills_init_image_tag: "dev".to_owned(),
            default_service_account_name: String::new(),
            default_agent_pod_labels: BTreeMap::new(),
            default_agent_bind_host: "0.0.0.0".to_owned(),
            proxy_url: None,
            mcp_egress_plaintext: false,
            default_model_config_name: "default-model-config".to_owned(),
            controller_name: "kagent-controller".to_owned(),
            controller_namespace: "kagent".to_owned(),
            controller_url: None,
            watch_namespaces: BTreeSet::new(),
            otel_env: BTreeMap::new(),
        }
    }
}

impl TranslateOptions {
    /// Where agents reach this server.
    pub fn kagent_url(&self) -> String {
        self.controller_url
            .clone()
            .unwrap_or_else(|| format!("http://{}.{}:8083", self.controller_name, self.controller_namespace))
    }

    /// Whether objects of `namespace` are looked at.
    pub fn watches(&self, namespace: &str) -> bool {
        self.watch_namespaces.is_empty() || self.watch_namespaces.contains(namespace)
    }
}

impl TranslateOptions {
    /// The ModelConfig that is meant by `name`: the default one when it is empty.
    pub(super) fn model_config_name<'a>(&'a self, name: &'a str) -> &'a str {
        if name.is_empty() {
            &self.default_model_config_name
        } else {
            name
        }
    }
}
