//! Grants a service account exactly what `helm/kagent/files/rbac.yaml` says, and takes single rights away again.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const FILE: &str = "../helm/kagent/files/rbac.yaml";
const ROLE_API: &str = "rbac.authorization.k8s.io";
/// Name of all roles and bindings.
const NAME: &str = "kagent-server";

/// The rules of the chart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerRules {
    /// In every namespace that is watched.
    pub watched: Vec<PolicyRule>,
    /// Of the whole cluster, where all of it is watched.
    pub cluster: Vec<PolicyRule>,
    /// In the namespace of the installation.
    pub election: Vec<PolicyRule>,
}

/// Who gets them.
#[derive(Clone, Copy, Debug)]
pub struct ServiceAccountName<'a> {
    /// Namespace of the installation.
    pub namespace: &'a str,
    /// The service account.
    pub name: &'a str,
}

impl ServerRules {
    /// The rules as they are committed.
    ///
    /// # Errors
    /// When the file is not there, or says something else than rules.
    pub fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_saphyr::from_str(&text).with_context(|| format!("{} has no rules", path.display()))
    }

    /// Takes one right out of the rules.
    ///
    /// # Errors
    /// When no rule grants it.
    pub fn without(mut self, verb: &str, resource: &str) -> Result<Self> {
        let mut found = false;
        let rules = self
            .watched
            .iter_mut()
            .chain(&mut self.cluster)
            .chain(&mut self.election);
        let mut kept = Vec::new();
        for rule in rules {
            let resources = rule.resources.get_or_insert_default();
            let Some(at) = resources.iter().position(|known| known == resource) else {
                continue;
            };
            if !rule.verbs.iter().any(|known| known == verb) {
                continue;
            }
            found = true;
            resources.remove(at);
            let mut alone = rule.clone();
            alone.resources = Some(vec![resource.to_owned()]);
            alone.verbs.retain(|known| known != verb);
            kept.push(alone);
        }
        self.watched
            .extend(kept.into_iter().filter(|rule| !rule.verbs.is_empty()));
        for rules in [&mut self.watched, &mut self.cluster, &mut self.election] {
            rules.retain(|rule| rule.resources.as_ref().is_none_or(|resources| !resources.is_empty()));
        }
        found
            .then_some(self)
            .with_context(|| format!("no rule grants {verb} {resource}"))
    }

    /// Grants them for the whole cluster.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn grant_cluster(&self, client: &Client, to: ServiceAccountName<'_>) -> Result<()> {
        let rules: Vec<_> = self.watched.iter().chain(&self.cluster).collect();
        apply::<ClusterRole>(Api::all(client.clone()), json!({"rules": rules})).await?;
        apply::<ClusterRoleBinding>(Api::all(client.clone()), bind("ClusterRole", to)).await?;
        self.grant_election(client, to).await
    }

    /// Grants them in single namespaces.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn grant_namespaces(&self, client: &Client, to: ServiceAccountName<'_>, in_: &[&str]) -> Result<()> {
        for namespace in in_ {
            apply::<Role>(
                Api::namespaced(client.clone(), namespace),
                json!({"rules": self.watched}),
            )
            .await?;
            apply::<RoleBinding>(Api::namespaced(client.clone(), namespace), bind("Role", to)).await?;
        }
        self.grant_election(client, to).await
    }

    /// Its role has another name: the installation's namespace may be a watched one.
    async fn grant_election(&self, client: &Client, to: ServiceAccountName<'_>) -> Result<()> {
        let name = format!("{NAME}-election");
        let role = json!({"rules": self.election});
        apply_as::<Role>(Api::namespaced(client.clone(), to.namespace), &name, role).await?;
        let mut binding = bind("Role", to);
        binding["roleRef"]["name"] = json!(name);
        apply_as::<RoleBinding>(Api::namespaced(client.clone(), to.namespace), &name, binding).await
    }
}

fn bind(kind: &str, to: ServiceAccountName<'_>) -> Value {
    json!({
        "roleRef": {"apiGroup": ROLE_API, "kind": kind, "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "namespace": to.namespace, "name": to.name}],
    })
}

async fn apply<K>(api: Api<K>, body: Value) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    apply_as(api, NAME, body).await
}

async fn apply_as<K>(api: Api<K>, name: &str, mut body: Value) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    body["apiVersion"] = json!(K::api_version(&()));
    body["kind"] = json!(K::kind(&()));
    body["metadata"] = json!({"name": name});
    let params = PatchParams::apply("kagent-tests").force();
    let applied = api.patch(name, &params, &Patch::Apply(&body)).await;
    applied.with_context(|| format!("{} {name} is refused", K::kind(&())))?;
    Ok(())
}
