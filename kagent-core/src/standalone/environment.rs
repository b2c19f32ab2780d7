//! The environment of an agent's process: what the pod template says, and what standalone mode has to set.
//!
//! The server's own environment is not passed on, because it may hold the server's secrets.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector},
};
use kube::ResourceExt;

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
pub(super) fn inherited(environment: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
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

/// What standalone mode decides about an agent's environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement<'a> {
    /// Port to listen on.
    pub(super) port: u16,
    /// The server's own URL, for `KAGENT_URL` and `PROXY_URL`.
    pub(super) server_url: &'a str,
}

/// The variables of the first container, resolved and expanded in order, over `inherited`.
///
/// `PORT`, and `KAGENT_URL` where the template has it, are standalone mode's: what the template says about them is true
/// in a pod only.
///
/// # Errors
/// One line that names the variable, when what it refers to does not exist.
pub(super) fn build_environment(
    deployment: &Deployment,
    variables: &[EnvVar],
    sources: &Sources,
    inherited: &BTreeMap<String, String>,
    placement: Placement<'_>,
) -> Result<BTreeMap<String, String>> {
    let mut own = BTreeMap::from([
        ("PORT".to_owned(), placement.port.to_string()),
        ("PROXY_URL".to_owned(), placement.server_url.to_owned()),
    ]);
    for variable in variables {
        let value = match (&variable.value_from, variable.name.as_str()) {
            (_, "PORT") => continue,
            (_, "KAGENT_URL") => Some(placement.server_url.to_owned()),
            (None, _) => Some(expand(variable.value.as_deref().unwrap_or_default(), |name| {
                own.get(name).map(String::as_str)
            })),
            (Some(source), _) => resolve(deployment, source, sources)
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

fn resolve(deployment: &Deployment, source: &EnvVarSource, sources: &Sources) -> Result<Option<String>> {
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
        return resolve_field(deployment, field).map(Some);
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

fn resolve_field(deployment: &Deployment, field: &ObjectFieldSelector) -> Result<String> {
    let template = &deployment.spec.template;
    let metadata = template.metadata.as_ref();
    let entry = |map: Option<&BTreeMap<String, String>>, key: &str| {
        map.and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    let path = field.field_path.as_str();
    if let Some(key) = subscript(path, "metadata.labels") {
        return Ok(entry(metadata.and_then(|metadata| metadata.labels.as_ref()), key));
    }
    if let Some(key) = subscript(path, "metadata.annotations") {
        return Ok(entry(metadata.and_then(|metadata| metadata.annotations.as_ref()), key));
    }
    match path {
        "metadata.namespace" => Ok(deployment.namespace().unwrap_or_default()),
        "metadata.name" => Ok(deployment.name_any()),
        "metadata.uid" => Ok(deployment.uid().unwrap_or_default()),
        "spec.serviceAccountName" => Ok(template
            .spec
            .as_ref()
            .and_then(|pod| pod.service_account_name.clone())
            .unwrap_or_default()),
        "spec.nodeName" => Ok("localhost".to_owned()),
        "status.podIP" | "status.hostIP" => Ok("127.0.0.1".to_owned()),
        _ => Err(Error::invalid(format!(
            "field {path} is not available in standalone mode"
        ))),
    }
}

/// The key of `path` when it is `base['key']`.
fn subscript<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base)?.strip_prefix("['")?.strip_suffix("']")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLACEMENT: Placement<'_> = Placement {
        port: 4711,
        server_url: "http://127.0.0.1:8083",
    };

    fn mk_deployment() -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "kagent"},
            "spec": {"selector": {}, "template": {"metadata": {"labels": {"team": "x"}}, "spec": {"containers": []}}},
        }))
        .expect("deployment")
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
        build_environment(&mk_deployment(), &variables, &mk_sources(), &BTreeMap::new(), PLACEMENT)
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
