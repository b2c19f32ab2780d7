//! The rights that the server lacks: learnt from what the API server refuses, told once, and forgotten when they are
//! granted. Never asks for rights that nothing has needed.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams, client::Body, core::Status};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tower::BoxError;

use super::{WatchScope, fetch::READ_TIMEOUT};
use crate::tasks::Tasks;

/// How often it is asked whether a right has been granted meanwhile.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A refusal is short.
const LARGEST_REFUSAL: usize = 256 * 1024;

/// One right, as a role would grant it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Permission {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// API group; empty for the core.
    pub group: String,
    /// Resource, with its subresource after a slash.
    pub resource: String,
    /// `None` is the whole cluster.
    pub namespace: Option<String>,
}

/// What is missing. Cheap to clone; all clones share one set.
#[derive(Clone)]
pub struct Permissions {
    shared: Arc<Shared>,
}

struct Shared {
    missing: Mutex<BTreeSet<Permission>>,
    scope: WatchScope,
    refused: Notify,
    granted: watch::Sender<()>,
}

impl Permissions {
    /// A client that tells of every refusal, and what it has told.
    pub(super) fn observe(client: &Client, scope: &WatchScope, tasks: &Tasks) -> (Client, Self) {
        let permissions = Self {
            shared: Arc::new(Shared {
                missing: Mutex::default(),
                scope: scope.clone(),
                refused: Notify::new(),
                granted: watch::Sender::new(()),
            }),
        };
        let (inner, observer) = (client.clone(), permissions.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (inner, observer) = (inner.clone(), observer.clone());
            async move { observer.send(&inner, request).await }
        });
        let observed = Client::new(service, client.default_namespace().to_owned());
        let (asking, stop) = (permissions.clone(), tasks.shutdown_token().clone());
        let client = client.clone();
        tasks.spawn("permissions", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = asking.ask_again(&client) => {}
            }
        });
        (observed, permissions)
    }

    /// What is missing now, sorted.
    pub fn missing(&self) -> Vec<Permission> {
        self.shared.missing.lock().iter().cloned().collect()
    }

    /// Changes whenever something was granted that had been missing.
    pub fn granted(&self) -> watch::Receiver<()> {
        self.shared.granted.subscribe()
    }

    async fn send(&self, client: &Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let response = client.send(request).await?;
        if response.status() != StatusCode::FORBIDDEN {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_REFUSAL).collect().await?.to_bytes();
        if let Ok(status) = serde_json::from_slice::<Status>(&body)
            && let Some(permission) = Permission::from_refusal(&status.message)
        {
            self.note(permission);
        }
        Ok(Response::from_parts(head, Body::from(body)))
    }

    fn note(&self, permission: Permission) {
        if self.shared.is_dispensable(&permission) {
            tracing::debug!(%permission, "works without this permission");
            return;
        }
        if self.shared.missing.lock().insert(permission.clone()) {
            let Permission {
                verb,
                group,
                resource,
                namespace,
            } = &permission;
            tracing::error!(
                verb,
                resource,
                api_group = group,
                namespace = namespace.as_deref().unwrap_or("(the whole cluster)"),
                "permission is missing: grant it to the server's service account; what needs it is tried again"
            );
            self.shared.refused.notify_one();
        }
    }

    /// Asks about each missing right until it is granted.
    async fn ask_again(&self, client: &Client) {
        loop {
            let missing = self.missing();
            if missing.is_empty() {
                self.shared.refused.notified().await;
                continue;
            }
            tokio::time::sleep(ASK_EVERY).await;
            let mut granted = false;
            for permission in missing {
                if is_allowed(client, &permission).await {
                    tracing::info!(%permission, "permission was granted");
                    self.shared.missing.lock().remove(&permission);
                    granted = true;
                }
            }
            if granted {
                self.shared.granted.send_replace(());
            }
        }
    }
}

impl Shared {
    /// Roles cannot grant Namespaces, so a server with a list of namespaces works without.
    fn is_dispensable(&self, permission: &Permission) -> bool {
        self.scope != WatchScope::All && permission.group.is_empty() && permission.resource == "namespaces"
    }
}

/// Every user may ask this about himself. No answer is no.
async fn is_allowed(client: &Client, permission: &Permission) -> bool {
    let (resource, subresource) = match permission.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (permission.resource.as_str(), None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(permission.verb.clone()),
                group: Some(permission.group.clone()),
                resource: Some(resource.to_owned()),
                subresource,
                namespace: permission.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let (params, asked) = (PostParams::default(), review);
    let answer = tokio::time::timeout(READ_TIMEOUT, api.create(&params, &asked)).await;
    let allowed = |review: SelfSubjectAccessReview| review.status.is_some_and(|status| status.allowed);
    answer.is_ok_and(|answer| answer.is_ok_and(allowed))
}

impl Permission {
    /// From the words of the API server's authorizer; `None` for a refusal that has other reasons, such as a quota.
    pub fn from_refusal(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once(" cannot ")?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let namespace = rest
            .strip_prefix(" in the namespace \"")
            .and_then(|rest| rest.split_once('"'));
        Some(Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(|(namespace, _)| namespace.to_owned()),
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, " of {}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the whole cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_authorizer_name_the_permission() {
        for (message, expected) in [
            (
                r#"agents.kagent.dev is forbidden: User "system:serviceaccount:kagent:server" cannot list resource "agents" in API group "kagent.dev" at the cluster scope"#,
                Some("list agents of kagent.dev in the whole cluster"),
            ),
            (
                r#"secrets "a" is forbidden: User "x" cannot patch resource "secrets" in API group "" in the namespace "team": RBAC: role not found"#,
                Some("patch secrets in namespace team"),
            ),
            (
                r#"agents.kagent.dev "a" is forbidden: User "x" cannot patch resource "agents/status" in API group "kagent.dev" in the namespace "b""#,
                Some("patch agents/status of kagent.dev in namespace b"),
            ),
            (
                r#"pods "a" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1"#,
                None,
            ),
            (r#"forbidden: User "x" cannot get path "/metrics""#, None),
        ] {
            let shown = Permission::from_refusal(message).map(|permission| permission.to_string());
            assert_eq!(shown.as_deref(), expected, "{message}");
        }
    }
}
