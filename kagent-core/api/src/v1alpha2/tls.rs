//! How the TLS connection to a model or a tool server is verified.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules;

/// How to verify the certificate of an upstream.
///
/// The API server fills both booleans in, so an empty block and an absent one are different things.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    (
        "!(has(self.caCertSecretKey) && size(self.caCertSecretKey) > 0 && (!has(self.caCertSecretRef) || size(self.caCertSecretRef) == 0))",
        "caCertSecretKey requires caCertSecretRef",
    ),
    (
        "!(has(self.caCertSecretRef) && size(self.caCertSecretRef) > 0 && (!has(self.caCertSecretKey) || size(self.caCertSecretKey) == 0))",
        "caCertSecretRef requires caCertSecretKey",
    ),
    (
        "!(has(self.disableSystemCAs) && self.disableSystemCAs && (!has(self.disableVerify) || !self.disableVerify) && (!has(self.caCertSecretRef) || size(self.caCertSecretRef) == 0))",
        "disableSystemCAs requires caCertSecretRef or disableVerify (trust-nothing config rejects every upstream)",
    ),
])))]
pub struct TlsConfig {
    /// Accept any certificate. For development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_verify: Option<bool>,
    /// Name of the Secret with the CA certificate (PEM), in the namespace of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_secret_ref: Option<String>,
    /// Key of the CA certificate inside the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_secret_key: Option<String>,
    /// Trust only the given CA, not those of the system.
    #[serde(rename = "disableSystemCAs", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_system_cas: Option<bool>,
}
