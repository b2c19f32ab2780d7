//! The Kubernetes API by plain requests: recorded objects are sent as they are, and read without types.

use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::{Value, json};

/// Kinds that recordings name: kind, path of the group's version, plural.
const KINDS: [(&str, &str, &str); 10] = [
    ("Namespace", "api/v1", "namespaces"),
    ("Secret", "api/v1", "secrets"),
    ("ConfigMap", "api/v1", "configmaps"),
    ("Service", "api/v1", "services"),
    ("ServiceAccount", "api/v1", "serviceaccounts"),
    ("Deployment", "apis/apps/v1", "deployments"),
    ("MCPServer", "apis/kagent.dev/v1alpha1", "mcpservers"),
    ("ModelConfig", "apis/kagent.dev/v1alpha2", "modelconfigs"),
    ("RemoteMCPServer", "apis/kagent.dev/v1alpha2", "remotemcpservers"),
    ("Agent", "apis/kagent.dev/v1alpha2", "agents"),
];

/// Kinds that agents own.
pub const OWNED: [&str; 5] = ["Secret", "ConfigMap", "Service", "ServiceAccount", "Deployment"];

/// In which order input is created.
pub fn order_of(kind: &str) -> usize {
    let order = [
        "Namespace",
        "Secret",
        "ConfigMap",
        "Service",
        "MCPServer",
        "Deployment",
        "ModelConfig",
        "RemoteMCPServer",
        "Agent",
    ];
    order.iter().position(|known| *known == kind).unwrap_or_default()
}

/// The API.
#[derive(Clone)]
pub struct Api(pub Client);

impl Api {
    fn path(kind: &str, namespace: &str) -> Result<String> {
        let (_, version, plural) = KINDS
            .iter()
            .find(|(known, ..)| *known == kind)
            .with_context(|| format!("recordings name the kind {kind:?}, which this runner does not know"))?;
        Ok(match namespace {
            "" => format!("/{version}/{plural}"),
            _ => format!("/{version}/namespaces/{namespace}/{plural}"),
        })
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: Option<&Value>) -> Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default())?;
        let answer = self.0.request::<Value>(request).await;
        answer.with_context(|| format!("{method} {path}"))
    }

    /// The object, if there is one.
    ///
    /// # Errors
    /// When the API does not answer.
    pub async fn find(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let path = format!("{}/{name}", Self::path(kind, namespace)?);
        match self.send("GET", &path, "application/json", None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) => match error.downcast_ref::<kube::Error>() {
                Some(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The objects of a kind in a namespace.
    ///
    /// # Errors
    /// When the API does not answer.
    pub async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let answer = self
            .send("GET", &Self::path(kind, namespace)?, "application/json", None)
            .await?;
        Ok(answer["items"].as_array().cloned().unwrap_or_default())
    }

    /// Creates the object, or replaces the one of its name. A Deployment or Service that is there is patched.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn put(&self, object: &Value) -> Result<()> {
        let (kind, namespace, name) = names_of(object)?;
        let collection = Self::path(kind, namespace)?;
        let Some(live) = self.find(kind, namespace, name).await? else {
            self.send("POST", &collection, "application/json", Some(object)).await?;
            return Ok(());
        };
        let path = format!("{collection}/{name}");
        match kind {
            "Namespace" => {}
            "Deployment" | "Service" => {
                let patch = "application/strategic-merge-patch+json";
                self.send("PATCH", &path, patch, Some(object)).await?;
            }
            _ => {
                let mut object = object.clone();
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                self.send("PUT", &path, "application/json", Some(&object)).await?;
            }
        }
        Ok(())
    }

    /// Applies the object on the server's side.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn apply(&self, manager: &str, object: &Value) -> Result<()> {
        let (kind, namespace, name) = names_of(object)?;
        let path = format!(
            "{}/{name}?fieldManager={manager}&force=true",
            Self::path(kind, namespace)?
        );
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(object))
            .await
            .map(drop)
    }

    /// Makes a namespace, if it is not there.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn make_namespace(&self, name: &str) -> Result<()> {
        self.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .await
    }

    /// Writes the status of an object.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn patch_status(&self, object: &Value) -> Result<()> {
        let (kind, namespace, name) = names_of(object)?;
        let path = format!("{}/{name}/status", Self::path(kind, namespace)?);
        let patch = json!({"status": object["status"]});
        let content_type = "application/merge-patch+json";
        self.send("PATCH", &path, content_type, Some(&patch)).await.map(drop)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let path = format!("{}/{name}", Self::path(kind, namespace)?);
        self.send("DELETE", &path, "application/json", None).await.map(drop)
    }
}

fn names_of(object: &Value) -> Result<(&str, &str, &str)> {
    let metadata = &object["metadata"];
    match (object["kind"].as_str(), metadata["name"].as_str()) {
        (Some(kind), Some(name)) => Ok((kind, metadata["namespace"].as_str().unwrap_or_default(), name)),
        _ => bail!("a recorded object has no kind or name: {object}"),
    }
}
