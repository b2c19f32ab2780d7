//! What an existing object says already is left as it is, byte for byte, so that nothing rolls because two writers print
//! the same JSON differently. Also the hashes that a Go controller computed too early are left alone. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret},
    },
};
use serde_json::Value;

use super::{
    AgentOutputs,
    manifest::{CONFIG_HASH_ANNOTATION, ConfigFiles},
};

/// On a Deployment whose pods keep a hash that was computed without some Secrets: the hash that it stands for. When that
/// one changes the pods roll.
pub const KEPT_HASH_ANNOTATION: &str = "kagent.dev/kept-config-hash";

/// More Secrets than this are not tried one by one.
const MOST_SECRETS: usize = 6;

/// What the hash is taken over besides the files.
#[derive(Clone, Debug, PartialEq)]
pub enum HashInput {
    /// Everything, and the hashes of these Secrets in order.
    Config(Vec<Vec<u8>>),
    /// The files of a BYO agent that mounts them.
    Mounted,
    /// The skills of a BYO agent.
    Skills,
    /// Nothing.
    Nothing,
}

impl HashInput {
    /// The value of the pod annotation, with all Secrets.
    pub fn hash(&self, files: &ConfigFiles) -> String {
        self.hash_with(files, |_| true)
    }

    fn hash_with(&self, files: &ConfigFiles, takes: impl Fn(usize) -> bool) -> String {
        let (config, card) = (files.config.as_bytes(), files.card.as_bytes());
        let sandbox = files.sandbox.as_deref().unwrap_or_default().as_bytes();
        let skills = files.skills.as_deref().unwrap_or_default().as_bytes();
        let config_hash = super::hash::config_hash;
        match self {
            Self::Config(secrets) => {
                let taken = secrets.iter().enumerate().filter(|(position, _)| takes(*position));
                let bytes: Vec<u8> = taken.flat_map(|(_, hash)| hash.clone()).collect();
                config_hash(&[config, card, &bytes, sandbox, skills])
            }
            Self::Mounted => config_hash(&[config, card, sandbox, skills]),
            Self::Skills => config_hash(&[skills]),
            Self::Nothing => "0".to_owned(),
        }
    }

    /// Whether `hash` is this one without some of its Secrets: the Go controller rendered an agent before the statuses of
    /// its models were there.
    fn is_early(&self, files: &ConfigFiles, hash: &str) -> bool {
        let Self::Config(secrets) = self else {
            return false;
        };
        let count = secrets.len().min(MOST_SECRETS);
        (0..1_u32 << count)
            .any(|subset| self.hash_with(files, |position| position >= count || subset & (1 << position) != 0) == hash)
    }
}

/// The objects of an agent as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Existing<'a> {
    /// The Secret with its files.
    pub secret: Option<&'a Secret>,
    /// The ConfigMap of its skills.
    pub config_map: Option<&'a ConfigMap>,
    /// Its Deployment.
    pub deployment: Option<&'a Deployment>,
    /// Whether the Deployment was never written by this program.
    pub is_adopted_now: bool,
}

/// Puts into `outputs` what the existing objects say already.
pub fn keep_existing(outputs: &mut AgentOutputs, existing: &Existing<'_>) {
    let data = existing.secret.and_then(|secret| secret.data.as_ref());
    keep_file(&mut outputs.files.config, find_text(data, "config.json"));
    keep_file(&mut outputs.files.card, find_text(data, "agent-card.json"));
    if let Some(sandbox) = &mut outputs.files.sandbox {
        keep_file(sandbox, find_text(data, "srt-settings.json"));
    }
    if let Some(skills) = &mut outputs.files.skills {
        let live = existing.config_map.and_then(|map| map.data.as_ref());
        keep_file(
            skills,
            live.and_then(|data| data.get("config.json")).map(String::as_str),
        );
    }
    write_files(outputs);
    keep_hash(outputs, existing);
    keep_selector(outputs, existing);
}

fn find_text<'a>(data: Option<&'a BTreeMap<String, ByteString>>, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&data?.get(key)?.0).ok()
}

fn keep_file(ours: &mut String, live: Option<&str>) {
    let Some(live) = live.filter(|live| *live != ours.as_str()) else {
        return;
    };
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let (Some(a), Some(b)) = (parse(ours), parse(live))
        && says_the_same(&a, &b)
    {
        live.clone_into(ours);
    }
}

/// `30` and `30.0` are one number; the order of keys says nothing.
fn says_the_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| says_the_same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(value, other)| says_the_same(value, other))
        }
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn write_files(outputs: &mut AgentOutputs) {
    let files = &outputs.files;
    let texts = [
        ("config.json", Some(&files.config)),
        ("agent-card.json", Some(&files.card)),
        ("srt-settings.json", files.sandbox.as_ref()),
    ];
    let data = outputs.manifest.secret.data.get_or_insert_default();
    for (key, text) in texts {
        if let Some(text) = text {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        }
    }
    if let (Some(map), Some(skills)) = (&mut outputs.manifest.config_map, &files.skills) {
        map.data
            .get_or_insert_default()
            .insert("config.json".to_owned(), skills.clone());
    }
}

fn keep_hash(outputs: &mut AgentOutputs, existing: &Existing<'_>) {
    let whole = outputs.hash_input.hash(&outputs.files);
    let mut hash = whole.clone();
    if let Some(live) = existing.deployment
        && let Some(live_hash) = find_hash(live)
        && *live_hash != whole
    {
        let annotations = live.metadata.annotations.as_ref();
        let kept_before = annotations.and_then(|all| all.get(KEPT_HASH_ANNOTATION)) == Some(&whole);
        if kept_before || existing.is_adopted_now && outputs.hash_input.is_early(&outputs.files, live_hash) {
            live_hash.clone_into(&mut hash);
            let metadata = &mut outputs.manifest.deployment.metadata;
            let annotations = metadata.annotations.get_or_insert_default();
            annotations.insert(KEPT_HASH_ANNOTATION.to_owned(), whole);
        }
    }
    let template = outputs
        .manifest
        .deployment
        .spec
        .template
        .metadata
        .get_or_insert_default();
    let annotations = template.annotations.get_or_insert_default();
    annotations.insert(CONFIG_HASH_ANNOTATION.to_owned(), hash.clone());
    outputs.config_hash = hash;
}

fn find_hash(deployment: &Deployment) -> Option<&String> {
    let template = deployment.spec.template.metadata.as_ref()?;
    template.annotations.as_ref()?.get(CONFIG_HASH_ANNOTATION)
}

/// A selector cannot be changed. The pods carry whatever the existing one asks for.
fn keep_selector(outputs: &mut AgentOutputs, existing: &Existing<'_>) {
    let Some(live) = existing.deployment else {
        return;
    };
    let spec = &mut outputs.manifest.deployment.spec;
    if spec.selector == live.spec.selector {
        return;
    }
    spec.selector = live.spec.selector.clone();
    let wanted = live.spec.selector.match_labels.clone().unwrap_or_default();
    let labels = &mut spec.template.metadata.get_or_insert_default().labels;
    labels.get_or_insert_default().extend(wanted);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mk_files() -> ConfigFiles {
        ConfigFiles {
            config: "{\"a\":30}".to_owned(),
            card: "{}".to_owned(),
            ..ConfigFiles::default()
        }
    }

    #[test]
    fn the_same_json_in_other_bytes_is_kept_and_other_json_is_not() {
        for (live, kept) in [
            ("{\"b\":[1.5], \"a\": 30.0}", true),
            ("{\"a\":31,\"b\":[1.5]}", false),
            ("{\"a\":30,\"b\":[1.5],\"c\":null}", false),
            ("not JSON", false),
        ] {
            let mut ours = "{\"a\":30,\"b\":[1.5]}".to_owned();
            let before = ours.clone();
            keep_file(&mut ours, Some(live));
            assert_eq!(ours, if kept { live } else { &before });
        }
    }

    #[test]
    fn large_integers_are_compared_exactly() {
        assert!(!says_the_same(
            &json!(9_007_199_254_740_993_u64),
            &json!(9_007_199_254_740_992_u64)
        ));
        assert!(says_the_same(&json!(1e21), &json!(1e21)));
    }

    #[test]
    fn a_hash_without_some_secrets_is_early_and_any_other_is_not() {
        let whole = HashInput::Config(vec![vec![1; 32], vec![2; 32], vec![3; 32]]);
        let files = mk_files();
        for early in [vec![], vec![vec![1; 32]], vec![vec![1; 32], vec![3; 32]]] {
            let hash = HashInput::Config(early).hash(&files);
            assert!(whole.is_early(&files, &hash));
        }
        let other = HashInput::Config(vec![vec![4; 32]]).hash(&files);
        assert!(!whole.is_early(&files, &other));
        assert!(!HashInput::Mounted.is_early(&files, &other));
    }
}
