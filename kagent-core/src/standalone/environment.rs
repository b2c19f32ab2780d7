//! The environment of an agent's process: what the pod template says, and what the machine it runs on has to set.
//!
//! The server's own environment is not passed on, because it may hold the server's secrets.

use std::{collections::BTreeMap, net::SocketAddr};

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector};

use super::{
    expand::expand,
    sources::{Entries, Sources},
};
use crate::error::{Error, Result};

/// What agents get of the server's own environment: where programs, certificates and proxies are.
const INHERITED: [&str; 20] = [
    "ALL_PROXY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "all_proxy",
    "http_proxy",
    "https_proxy",
];

/// Loopback never goes through a proxy: the server and all agents are there.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";

/// The part of the server's environment that agents get.
pub fn inherited(environment: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let mut no_proxy = NO_PROXY.to_owned();
    for (name, value) in environment {
        if INHERITED.contains(&name.as_str()) {
            kept.insert(name, value);
        } else if name.eq_ignore_ascii_case("no_proxy") && !value.is_empty() {
            no_proxy = format!("{value},{no_proxy}");
        }
    }
    kept.insert("NO_PROXY".to_owned(), no_proxy.clone());
    kept.insert("no_proxy".to_owned(), no_proxy);
    kept
}

/// Where a container runs, and what its pod is called.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Where the container listens; kagent's own runtime is told so.
    pub listen: SocketAddr,
    /// What references to fields of the pod are answered from.
    pub pod: PodFacts,
    /// Variables that are there first, under those of the template.
    pub initial: BTreeMap<String, String>,
    /// Variables that have this value where the template has them, whatever it says.
    pub fixed: BTreeMap<String, String>,
}

/// What `fieldRef` can ask for.
#[derive(Clone, Debug, Default)]
pub struct PodFacts {
    /// Name of the pod, or of what stands for it.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its service account.
    pub service_account: String,
    /// The node it runs on.
    pub node: String,
    /// Address of the pod.
    pub pod_ip: String,
    /// Address of the node.
    pub host_ip: String,
}

/// The variables of a container, resolved and expanded in order, over `inherited`.
///
/// # Errors
/// One line that names the variable, when what it refers to does not exist.
pub(super) fn build_environment(
    variables: &[EnvVar],
    sources: &Sources,
    inherited: &BTreeMap<String, String>,
    placement: &Placement,
) -> Result<BTreeMap<String, String>> {
    let mut own = placement.initial.clone();
    for variable in variables {
        let value = match (placement.fixed.get(&variable.name), &variable.value_from) {
            (Some(fixed), _) => Some(fixed.clone()),
            (None, None) => Some(expand(variable.value.as_deref().unwrap_or_default(), |name| {
                own.get(name).map(String::as_str)
            })),
            (None, Some(source)) => resolve(&placement.pod, source, sources)
                .map_err(|error| error.context(&format!("variable {}", variable.name)))?,
        };
        if let Some(value) = value {
            own.insert(variable.name.clone(), value);
        }
    }
    let mut environment = inherited.clone();
    environment.extend(own);
    Ok(environment)
}

fn resolve(pod: &PodFacts, source: &EnvVarSource, sources: &Sources) -> Result<Option<String>> {
    if let Some(reference) = &source.secret_key_ref {
        let optional = reference.optional == Some(true);
        return find_key("Secret", &sources.secrets, &reference.name, &reference.key, optional);
    }
    if let Some(reference) = &source.config_map_key_ref {
        let optional = reference.optional == Some(true);
        return find_key(
            "ConfigMap",
            &sources.config_maps,
            &reference.name,
            &reference.key,
            optional,
        );
    }
    if let Some(field) = &source.field_ref {
        return resolve_field(pod, field).map(Some);
    }
    Err(Error::invalid(
        "only secretKeyRef, configMapKeyRef and fieldRef are available in standalone mode",
    ))
}

fn find_key(
    kind: &str,
    objects: &BTreeMap<String, Entries>,
    name: &str,
    key: &str,
    optional: bool,
) -> Result<Option<String>> {
    let Some(value) = objects.get(name).and_then(|entries| entries.get(key)) else {
        return match (optional, objects.contains_key(name)) {
            (true, _) => Ok(None),
            (false, true) => Err(Error::invalid(format!("{kind} {name} has no key {key}"))),
            (false, false) => Err(Error::invalid(format!("{kind} {name} does not exist"))),
        };
    };
    match String::from_utf8(value.clone()) {
        Ok(text) if !text.contains('\0') => Ok(Some(text)),
        _ => Err(Error::invalid(format!("key {key} of {kind} {name} is not text"))),
    }
}

fn resolve_field(pod: &PodFacts, field: &ObjectFieldSelector) -> Result<String> {
    let path = field.field_path.as_str();
    if let Some(key) = subscript(path, "metadata.labels") {
        return Ok(pod.labels.get(key).cloned().unwrap_or_default());
    }
    if let Some(key) = subscript(path, "metadata.annotations") {
        return Ok(pod.annotations.get(key).cloned().unwrap_or_default());
    }
    let value = match path {
        "metadata.namespace" => &pod.namespace,
        "metadata.name" => &pod.name,
        "metadata.uid" => &pod.uid,
        "spec.serviceAccountName" => &pod.service_account,
        "spec.nodeName" => &pod.node,
        "status.podIP" => &pod.pod_ip,
        "status.hostIP" => &pod.host_ip,
        _ => {
            return Err(Error::invalid(format!(
                "field {path} is not available in standalone mode"
            )));
        }
    };
    Ok(value.clone())
}

/// The key of `path` when it is `base['key']`.
fn subscript<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base)?.strip_prefix("['")?.strip_suffix("']")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mk_placement() -> Placement {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let server = "http://127.0.0.1:8083";
        Placement {
            listen: ([127, 0, 0, 1], 4711).into(),
            pod: PodFacts {
                namespace: "kagent".to_owned(),
                labels: map(&[("team", "x")]),
                ..PodFacts::default()
            },
            initial: map(&[("PORT", "4711"), ("PROXY_URL", server)]),
            fixed: map(&[("PORT", "4711"), ("KAGENT_URL", server)]),
        }
    }

    fn mk_sources() -> Sources {
        Sources {
            secrets: BTreeMap::from([(
                "keys".to_owned(),
                Entries::from([("openai".to_owned(), b"sk-1".to_vec())]),
            )]),
            config_maps: BTreeMap::new(),
        }
    }

    fn build(variables: serde_json::Value) -> Result<BTreeMap<String, String>> {
        let variables: Vec<EnvVar> = serde_json::from_value(variables).expect("variables");
        build_environment(&variables, &mk_sources(), &BTreeMap::new(), &mk_placement())
    }

    #[test]
    fn variables_see_those_before_them_and_the_last_of_a_name_wins() {
        let environment = build(json!([
            {"name": "LATER", "value": "$(NAME)"},
            {"name": "NAME", "value": "a"},
            {"name": "URL", "value": "http://127.0.0.1:$(PORT)/$(NAME)/$$(NAME)"},
            {"name": "NAME", "value": "b"},
        ]))
        .expect("environment");
        assert_eq!(environment["LATER"], "$(NAME)");
        assert_eq!(environment["URL"], "http://127.0.0.1:4711/a/$(NAME)");
        assert_eq!(environment["NAME"], "b");
    }

    #[test]
    fn the_port_and_the_server_are_those_of_this_machine() {
        let environment = build(json!([
            {"name": "PORT", "value": "8080"},
            {"name": "KAGENT_URL", "value": "http://kagent-controller.kagent:8083"},
        ]))
        .expect("environment");
        assert_eq!(environment["PORT"], "4711");
        assert_eq!(environment["KAGENT_URL"], "http://127.0.0.1:8083");
        assert_eq!(environment["PROXY_URL"], "http://127.0.0.1:8083");
    }

    #[test]
    fn references_are_resolved_and_a_missing_one_is_named() {
        let environment = build(json!([
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "openai"}}},
            {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
            {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": true}}},
        ]))
        .expect("environment");
        assert_eq!(environment["KEY"], "sk-1");
        assert_eq!(environment["NS"], "kagent");
        assert_eq!(environment["TEAM"], "x");
        assert!(!environment.contains_key("MAYBE"));

        let missing = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "other"}}}]);
        assert_eq!(
            build(missing).expect_err("missing").to_string(),
            "variable KEY: Secret keys has no key other"
        );
    }

    #[test]
    fn the_servers_own_secrets_are_not_passed_on() {
        let server = [
            ("PATH", "/bin"),
            ("POSTGRES_DATABASE_URL", "postgres://secret"),
            ("NO_PROXY", "example.org"),
        ];
        let kept = inherited(
            server
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(
            kept,
            BTreeMap::from([
                ("NO_PROXY".to_owned(), format!("example.org,{NO_PROXY}")),
                ("PATH".to_owned(), "/bin".to_owned()),
                ("no_proxy".to_owned(), format!("example.org,{NO_PROXY}")),
            ])
        );
    }
}
