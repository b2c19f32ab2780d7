//! TLS settings and Secret references in the pod: what models and tools have in common there.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector, SecretVolumeSource, Volume, VolumeMount};
use kagent_api::{adk::Tls, v1alpha2::TlsConfig};
use sha2::{Digest, Sha256};

use super::{hash::to_hex, resolved::PodNeeds};
use crate::ident::is_dns_label;

/// Files of a certificate authority are readable by everybody in the pod.
pub(super) const WORLD_READABLE: i32 = 0o444;

/// An environment variable with a fixed value.
pub(super) fn literal_env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        ..EnvVar::default()
    }
}

/// An environment variable from a Secret.
pub(super) fn secret_env(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// The TLS keys of a connection, and the volume of its certificate authority. Nothing for settings that are all empty.
pub(super) fn resolve_tls(tls: Option<&TlsConfig>, needs: &mut PodNeeds) -> Tls {
    let Some(tls) = tls else {
        return Tls::default();
    };
    let skip_verify = tls.disable_verify.unwrap_or_default();
    let disable_system = tls.disable_system_cas.unwrap_or_default();
    let secret = tls.ca_cert_secret_ref.as_deref().unwrap_or_default();
    let key = tls.ca_cert_secret_key.as_deref().unwrap_or_default();
    if !skip_verify && !disable_system && secret.is_empty() && key.is_empty() {
        return Tls::default();
    }
    let path = (!secret.is_empty() && !key.is_empty()).then(|| {
        let id = ca_volume_id(secret);
        let (name, directory) = (format!("tls-ca-{id}"), format!("/etc/ssl/certs/custom/{id}"));
        needs.merge(&PodNeeds {
            volumes: vec![Volume {
                name: name.clone(),
                secret: Some(SecretVolumeSource {
                    secret_name: Some(secret.to_owned()),
                    default_mode: Some(WORLD_READABLE),
                    ..SecretVolumeSource::default()
                }),
                ..Volume::default()
            }],
            volume_mounts: vec![VolumeMount {
                name,
                mount_path: directory.clone(),
                read_only: Some(true),
                ..VolumeMount::default()
            }],
            ..PodNeeds::default()
        });
        format!("{directory}/{key}")
    });
    Tls {
        tls_insecure_skip_verify: Some(skip_verify),
        tls_ca_cert_path: path,
        tls_disable_system_cas: Some(disable_system),
    }
}

/// The Secret's name, or a piece of its hash where that makes no volume name.
fn ca_volume_id(secret: &str) -> String {
    volume_id("tls-ca-", secret)
}

/// The Secret's name where it makes a volume name behind `prefix`, else a piece of its hash.
pub(super) fn volume_id(prefix: &str, secret: &str) -> String {
    if is_dns_label(&format!("{prefix}{secret}")) {
        secret.to_owned()
    } else {
        to_hex(&Sha256::digest(secret.as_bytes())[..4])
    }
}
