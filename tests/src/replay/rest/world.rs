//! The cluster behind a server under test: a Kubernetes API in this process with kagent's CRDs and no kubelet, as where
//! the recordings were made. Garbage is collected here, as in a real cluster: an agent that is made again would otherwise
//! find the objects of its predecessor.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use embedded_kube::{EmbeddedKube, Serving};
use http_body_util::BodyExt;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kagent_api::v1alpha2::ModelConfig;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    recording::{KubeCall, Request, Response},
};

/// The cluster, and where the server is that works on it.
pub struct World {
    /// Where the server listens.
    pub server: SocketAddr,
    cluster: Cluster,
}

/// The cluster alone.
pub struct Cluster {
    kube: EmbeddedKube,
    serving: Serving,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// A cluster as fresh as the recordings' was.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> Result<Self> {
        let kube = EmbeddedKube::builder().namespace("kagent").build()?;
        kube.install_crds(kagent_api::crds::all_crds())
            .map_err(|error| anyhow::anyhow!("install the CRDs: {error:?}"))?;
        let serving = kube.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        Ok(Self {
            kube,
            serving,
            directory: tempfile::tempdir()?,
        })
    }

    /// A kubeconfig file for it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_kubeconfig(&self) -> Result<PathBuf> {
        let path = self.directory.path().join("kubeconfig");
        std::fs::write(&path, self.serving.kubeconfig()).context("write a kubeconfig")?;
        Ok(path)
    }

    /// A directory that goes with the cluster.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client for it.
    pub fn client(&self) -> kube::Client {
        self.kube.client()
    }

    /// A world with this cluster and the server at `server`.
    pub fn with_server(self, server: SocketAddr) -> World {
        World { server, cluster: self }
    }
}

impl World {
    /// Sends a recorded call to the Kubernetes API and compares status and projected fields.
    ///
    /// # Errors
    /// When the API does not answer.
    pub async fn play_kube_step(&self, call: &KubeCall, recorded: &Response) -> Result<Outcome> {
        let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
        let request = http::Request::builder()
            .method(call.method.as_str())
            .uri(call.path.as_str())
            .header(
                http::header::CONTENT_TYPE,
                call.content_type.as_deref().unwrap_or("application/json"),
            )
            .body(kube::client::Body::from(body.into_bytes()))?;
        let response = self.cluster.client().send(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let mut differences = Vec::new();
        if status != recorded.status {
            differences.push(format!("status: recorded {}, seen {status}", recorded.status));
        }
        for (path, value) in &recorded.project {
            let seen = path.split('.').try_fold(&object, |object, key| object.get(key));
            if seen != Some(value) {
                differences.push(format!("{path}: recorded {value}, seen {seen:?}"));
            }
        }
        Ok(if differences.is_empty() {
            Outcome::Same
        } else {
            Outcome::Different {
                differences,
                answer: json!({ "status": status }),
            }
        })
    }

    /// What a request to a route outside the scope would have done to the cluster.
    ///
    /// # Errors
    /// When the cluster refuses it.
    pub async fn play_other_route(&self, request: &Request) -> Result<()> {
        let client = self.cluster.client();
        match (request.method.as_str(), request.path.strip_prefix("/api/modelconfigs")) {
            ("POST", Some("")) => create_model_config(client, request.text()).await,
            ("DELETE", Some(path)) => {
                let (namespace, name) = path.trim_matches('/').split_once('/').context("a reference")?;
                let api: Api<ModelConfig> = Api::namespaced(client, namespace);
                api.delete(name, &DeleteParams::default()).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A model config and the Secret with its key, as `POST /api/modelconfigs` makes them.
async fn create_model_config(client: kube::Client, body: &str) -> Result<()> {
    let body: Value = serde_json::from_str(body)?;
    let reference = body["ref"].as_str().context("ref")?;
    let (namespace, name) = reference.split_once('/').context("namespace/name")?;
    let mut spec = body["spec"].clone();
    let provider = spec["provider"].as_str().context("provider")?.to_uppercase();
    let key = format!("{provider}_API_KEY");
    spec["apiKeySecret"] = name.into();
    spec["apiKeySecretKey"] = key.clone().into();
    let config = ModelConfig::new(name, serde_json::from_value(spec)?);
    let secret = Secret {
        metadata: kube::core::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        },
        data: body["apiKey"]
            .as_str()
            .map(|value| [(key, ByteString(value.as_bytes().to_vec()))].into()),
        ..Default::default()
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    secrets.create(&PostParams::default(), &secret).await?;
    let configs: Api<ModelConfig> = Api::namespaced(client, namespace);
    configs.create(&PostParams::default(), &config).await?;
    Ok(())
}
