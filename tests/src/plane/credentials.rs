//! The files by which clients and the programs of a control plane know each other: keys, tokens, kubeconfigs.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

/// Bearer token of the administrator. The API server listens on loopback for as long as a test runs.
pub(super) const ADMIN_TOKEN: &str = "kagent-tests-admin";
/// The key that signs the tokens of ServiceAccounts.
pub(super) const SIGNING_KEY: &str = "service-accounts.key";
/// Its public half.
pub(super) const CHECKING_KEY: &str = "service-accounts.pub";
/// Who has which fixed token.
pub(super) const TOKENS: &str = "tokens.csv";
const PEM_LINE: usize = 64;

/// Writes what the API server reads at its start.
pub(super) fn write_admin_files(dir: &Path) -> Result<()> {
    let line = format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n");
    write_private(&dir.join(TOKENS), &line)?;
    write_keys(dir)
}

/// Makes the key that signs tokens, and the one that checks them.
fn write_keys(dir: &Path) -> Result<()> {
    let failed = |_| anyhow!("cannot make a key");
    let pair = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(pair, &SystemRandom::new()).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(pair, private.as_ref()).map_err(|_| anyhow!("cannot use a new key"))?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    write_private(&dir.join(SIGNING_KEY), &encode_pem("PRIVATE KEY", private.as_ref()))?;
    write_private(&dir.join(CHECKING_KEY), &encode_pem("PUBLIC KEY", public.as_ref()))
}

fn encode_pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Writes `<name>.kubeconfig`, and the token to `<name>.token`, which clients read again from time to time.
pub(super) fn write_kubeconfig(
    dir: &Path,
    name: &str,
    url: &str,
    ca_file: &Path,
    namespace: &str,
    token: &str,
) -> Result<PathBuf> {
    let token_file = dir.join(format!("{name}.token"));
    write_private(&token_file, token)?;
    // JSON is YAML.
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url, "certificate-authority": ca_file}}],
        "users": [{"name": "tests", "user": {"tokenFile": token_file}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": namespace}}],
        "current-context": "tests",
    });
    let path = dir.join(format!("{name}.kubeconfig"));
    write_private(&path, &format!("{kubeconfig:#}\n"))?;
    Ok(path)
}

/// A client with the rights of a kubeconfig.
pub(super) async fn read_client(path: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn write_private(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
