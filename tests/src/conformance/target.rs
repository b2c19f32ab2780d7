//! An API server that cases run against: a client, and a kubeconfig for `kubectl`.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

/// More changes than `embedded-kube` keeps of a kind.
const EMBEDDED_HISTORY: usize = 1100;
const ETCD_WITHIN: Duration = Duration::from_secs(30);

/// Which API server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetName {
    /// The real one; what it answers is expected.
    KubeApiserver,
    /// `embedded-kube`.
    EmbeddedKube,
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::EmbeddedKube => "embedded-kube",
        })
    }
}

/// An API server under test. It must serve kagent's kinds and allow everything.
pub struct Target {
    name: TargetName,
    client: Client,
    kubeconfig: Kubeconfig,
    url: String,
    kubectl: PathBuf,
    /// URL of etcd behind a real one.
    etcd: Option<String>,
    /// Manifests that scripts use as `files/…`.
    files: PathBuf,
    /// Home of all `kubectl`s, for their cache.
    home: tempfile::TempDir,
}

impl Target {
    /// The server of a kubeconfig.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn new(name: TargetName, kubeconfig: Kubeconfig, kubectl: &Path, scripts: &Path) -> Result<Self> {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
            .await
            .context("the kubeconfig cannot be used")?;
        Ok(Self {
            name,
            url: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            client: Client::try_from(config)?,
            kubeconfig,
            kubectl: kubectl.to_owned(),
            etcd: None,
            files: scripts.join("files"),
            home: tempfile::tempdir()?,
        })
    }

    /// Says where its etcd is, so that the history can be cut.
    #[must_use]
    pub fn with_etcd(mut self, url: String) -> Self {
        self.etcd = Some(url);
        self
    }

    /// Makes the server forget all states of the past: by compaction of etcd, or by more changes of the object `name`
    /// than `embedded-kube` keeps.
    ///
    /// # Errors
    /// It is not known where etcd is, or a request fails.
    pub async fn cut_history(&self, api: &Api<ConfigMap>, name: &str) -> Result<()> {
        if self.name == TargetName::EmbeddedKube {
            for change in 0..EMBEDDED_HISTORY {
                let patch = Patch::Merge(json!({ "data": { "a": format!("change {change}") } }));
                api.patch(name, &PatchParams::default(), &patch).await?;
            }
            return Ok(());
        }
        let etcd = self
            .etcd
            .as_ref()
            .context("the history of this server can only be cut with --etcd URL")?;
        let http = reqwest::Client::builder().no_proxy().timeout(ETCD_WITHIN).build()?;
        let ask = async |path: &str, body: Value| {
            let answer = http.post(format!("{etcd}{path}")).json(&body).send().await?;
            anyhow::Ok(answer.error_for_status()?.json::<Value>().await?)
        };
        let status = ask("/v3/maintenance/status", json!({})).await?;
        let revision = status["header"]["revision"]
            .as_str()
            .context("etcd tells no revision")?;
        ask("/v3/kv/compaction", json!({ "revision": revision, "physical": true })).await?;
        Ok(())
    }

    /// Which one it is.
    pub fn name(&self) -> TargetName {
        self.name
    }

    /// A client that may do everything.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A kubeconfig whose commands are about one namespace.
    pub(super) fn write_kubeconfig(&self, namespace: &str, path: &Path) -> Result<()> {
        let mut kubeconfig = self.kubeconfig.clone();
        for context in &mut kubeconfig.contexts {
            if let Some(context) = &mut context.context {
                context.namespace = Some(namespace.to_owned());
            }
        }
        std::fs::write(path, serde_json::to_string(&kubeconfig)?)?;
        Ok(())
    }
}
