//! Serves an empty API with the definitions of a directory, and writes a kubeconfig for `kubectl`.
//!
//! `cargo run -p embedded-kube --example serve -- helm/kagent-crds/templates /tmp/kubeconfig`

use std::{error::Error, path::Path};

use embedded_kube::EmbeddedKube;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(definitions), Some(kubeconfig)) = (args.next(), args.next()) else {
        return Err("usage: serve DEFINITIONS KUBECONFIG".into());
    };
    let kube = EmbeddedKube::builder().build()?;
    kube.install_crds(read_definitions(Path::new(&definitions))?)?;
    let serving = kube.serve("127.0.0.1:0".parse()?).await?;
    serving.write_kubeconfig(Path::new(&kubeconfig), "default")?;
    tokio::signal::ctrl_c().await?;
    kube.shutdown().await?;
    Ok(())
}

fn read_definitions(dir: &Path) -> Result<Vec<CustomResourceDefinition>, Box<dyn Error>> {
    let mut definitions = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            definitions.push(serde_saphyr::from_str(&std::fs::read_to_string(path)?)?);
        }
    }
    Ok(definitions)
}
