//! Volumes as directories of this machine, and the paths inside a pod rewritten to them.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use k8s_openapi::api::core::v1::{Container, KeyToPath, PodSpec, Volume, VolumeProjection};
use serde_json::Value;

use super::sources::{Entries, Sources};
use crate::{
    clock::new_id,
    error::{Error, Result},
};

/// The file whose string values may be paths inside the pod, such as those of certificates.
const RUNTIME_CONFIG: &str = "config.json";

/// Where volumes are made.
#[derive(Clone, Debug)]
pub(super) struct MountDirs {
    /// For everything that belongs to one process; deleted after it.
    pub(super) process: PathBuf,
    /// For claims, which outlive processes.
    pub(super) claims: PathBuf,
}

/// The mounts of one process.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Mounts {
    /// Path inside the pod and path here; longer paths first.
    paths: Vec<(String, PathBuf)>,
}

/// Writes all volumes that `container` mounts. Files are for the server's user alone.
///
/// # Errors
/// One line that names the volume, when it is of a kind that does not exist here or refers to something missing.
pub(super) fn write_mounts(
    dirs: &MountDirs,
    pod: &PodSpec,
    container: &Container,
    sources: &Sources,
) -> Result<Mounts> {
    let mut mounts = Mounts::default();
    let mut written = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = pod.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let Some(volume) = volume else {
            return Err(Error::invalid(format!("there is no volume {}", mount.name)));
        };
        let mut local = write_volume(dirs, volume, sources, &mut written)
            .map_err(|error| error.context(&format!("volume {}", volume.name)))?;
        if let Some(sub_path) = mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            local = local.join(inner_path(sub_path)?);
        }
        let path = mount.mount_path.trim_end_matches('/');
        if path.is_empty() {
            // Every path of the machine would be rewritten.
            return Err(Error::invalid(format!(
                "volume {}: it cannot be mounted at / in standalone mode",
                mount.name
            )));
        }
        mounts.paths.push((path.to_owned(), local));
    }
    mounts.paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    for file in written.iter().filter(|file| file.ends_with(RUNTIME_CONFIG)) {
        rewrite_config(file, &mounts)?;
    }
    Ok(mounts)
}

fn write_volume(dirs: &MountDirs, volume: &Volume, sources: &Sources, written: &mut Vec<PathBuf>) -> Result<PathBuf> {
    if let Some(host) = &volume.host_path {
        return Ok(PathBuf::from(&host.path));
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        let dir = dirs.claims.join(inner_path(&claim.claim_name)?);
        make_dir(&dir)?;
        return Ok(dir);
    }
    let dir = dirs.process.join(inner_path(&volume.name)?);
    make_dir(&dir)?;
    if volume.empty_dir.is_some() {
        return Ok(dir);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let optional = secret.optional == Some(true);
        let entries = find_entries("Secret", sources.secrets.get(name), name, optional)?;
        write_entries(&dir, entries, secret.items.as_deref(), optional, written)?;
    } else if let Some(config_map) = &volume.config_map {
        let optional = config_map.optional == Some(true);
        let found = sources.config_maps.get(&config_map.name);
        let entries = find_entries("ConfigMap", found, &config_map.name, optional)?;
        write_entries(&dir, entries, config_map.items.as_deref(), optional, written)?;
    } else if let Some(projected) = &volume.projected {
        for source in projected.sources.iter().flatten() {
            write_projection(&dir, source, sources, written)?;
        }
    } else {
        return Err(Error::invalid(
            "this kind of volume is not available in standalone mode",
        ));
    }
    Ok(dir)
}

fn write_projection(
    dir: &Path,
    source: &VolumeProjection,
    sources: &Sources,
    written: &mut Vec<PathBuf>,
) -> Result<()> {
    if let Some(token) = &source.service_account_token {
        // Nobody here checks tokens of service accounts; the file exists because agents read it.
        return write_file(&dir.join(inner_path(&token.path)?), new_id().to_string().as_bytes());
    }
    if let Some(secret) = &source.secret {
        let optional = secret.optional == Some(true);
        let entries = find_entries("Secret", sources.secrets.get(&secret.name), &secret.name, optional)?;
        return write_entries(dir, entries, secret.items.as_deref(), optional, written);
    }
    if let Some(config_map) = &source.config_map {
        let optional = config_map.optional == Some(true);
        let found = sources.config_maps.get(&config_map.name);
        let entries = find_entries("ConfigMap", found, &config_map.name, optional)?;
        return write_entries(dir, entries, config_map.items.as_deref(), optional, written);
    }
    Err(Error::invalid(
        "this kind of projection is not available in standalone mode",
    ))
}

fn find_entries<'a>(kind: &str, found: Option<&'a Entries>, name: &str, optional: bool) -> Result<Option<&'a Entries>> {
    match found {
        None if !optional => Err(Error::invalid(format!("{kind} {name} does not exist"))),
        found => Ok(found),
    }
}

fn write_entries(
    dir: &Path,
    entries: Option<&Entries>,
    items: Option<&[KeyToPath]>,
    optional: bool,
    written: &mut Vec<PathBuf>,
) -> Result<()> {
    let Some(entries) = entries else { return Ok(()) };
    let mut write = |path: &str, content: &[u8]| {
        let file = dir.join(inner_path(path)?);
        write_file(&file, content)?;
        written.push(file);
        Ok(())
    };
    match items {
        None => entries.iter().try_for_each(|(key, content)| write(key, content)),
        Some(items) => items.iter().try_for_each(|item| match entries.get(&item.key) {
            Some(content) => write(&item.path, content),
            None if optional => Ok(()),
            None => Err(Error::invalid(format!("there is no key {}", item.key))),
        }),
    }
}

/// `path` when it stays inside the directory it is joined to.
fn inner_path(path: &str) -> Result<&Path> {
    let path = Path::new(path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    if inside && path.file_name().is_some() {
        Ok(path)
    } else {
        Err(Error::invalid(format!(
            "{:?} leads out of its volume",
            path.display().to_string()
        )))
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| cannot("make", dir, error))
}

fn write_file(file: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = file.parent() {
        make_dir(parent)?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(content))
        .map_err(|error| cannot("write", file, error))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    Error::internal(format!("cannot {what} {}: {}", path.display(), error.kind())).with_source(error)
}

/// Rewrites the string values of a runtime's config that are paths in a mount.
fn rewrite_config(file: &Path, mounts: &Mounts) -> Result<()> {
    let content = fs::read(file).map_err(|error| cannot("read", file, error))?;
    // A BYO agent's file may be empty or anything else; then there is nothing to rewrite.
    let Ok(mut config) = serde_json::from_slice::<Value>(&content) else {
        return Ok(());
    };
    if rewrite_value(&mut config, mounts) {
        write_file(file, config.to_string().as_bytes())?;
    }
    Ok(())
}

fn rewrite_value(value: &mut Value, mounts: &Mounts) -> bool {
    match value {
        Value::String(text) => match mounts.find_local(text) {
            Some(local) => {
                *text = local;
                true
            }
            None => false,
        },
        // Every one, therefore no `any`, which stops at the first.
        Value::Array(items) => {
            items
                .iter_mut()
                .filter_map(|item| rewrite_value(item, mounts).then_some(()))
                .count()
                > 0
        }
        Value::Object(fields) => {
            fields
                .values_mut()
                .filter_map(|field| rewrite_value(field, mounts).then_some(()))
                .count()
                > 0
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Mounts {
    /// Where `path` is on this machine, when it is in a mount.
    pub(super) fn find_local(&self, path: &str) -> Option<String> {
        self.paths.iter().find_map(|(mount, local)| {
            let rest = path.strip_prefix(mount.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", local.display()))
        })
    }

    /// Replaces every mount path that stands in `text` as a path of its own, such as in `--key=/creds/key.json`.
    pub(super) fn rewrite(&self, text: &str) -> String {
        let is_separator = |c: char| c.is_whitespace() || "=:,;\"'@".contains(c);
        let mut result = String::with_capacity(text.len());
        for word in text.split_inclusive(is_separator) {
            let path = word.trim_end_matches(is_separator);
            match self.find_local(path) {
                Some(local) => {
                    result.push_str(&local);
                    result.push_str(&word[path.len()..]);
                }
                None => result.push_str(word),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

    use serde_json::json;

    use super::*;

    fn write(pod: Value, root: &Path) -> Result<Mounts> {
        let pod: PodSpec = serde_json::from_value(pod).expect("pod");
        let dirs = MountDirs {
            process: root.join("process"),
            claims: root.join("claims"),
        };
        let entries = Entries::from([
            (
                "config.json".to_owned(),
                br#"{"ca":"/tls/ca.crt","text":"see /tls/ca.crt"}"#.to_vec(),
            ),
            ("ca.crt".to_owned(), b"PEM".to_vec()),
        ]);
        let sources = Sources {
            secrets: BTreeMap::from([("a".to_owned(), entries)]),
            config_maps: BTreeMap::new(),
        };
        write_mounts(&dirs, &pod, &pod.containers[0], &sources)
    }

    #[test]
    fn volumes_become_private_files_and_paths_lead_to_them() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        let mounts = write(
            json!({
                "containers": [{"name": "kagent", "volumeMounts": [
                    {"name": "config", "mountPath": "/config"},
                    {"name": "tls", "mountPath": "/tls"},
                    {"name": "token", "mountPath": "/var/run/secrets/tokens"},
                    {"name": "scratch", "mountPath": "/tmp/scratch/"},
                ]}],
                "volumes": [
                    {"name": "config", "secret": {"secretName": "a"}},
                    {"name": "tls", "secret": {"secretName": "a", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "kagent-token"}}]}},
                    {"name": "scratch", "emptyDir": {}},
                ],
            }),
            root,
        )
        .expect("mounts");

        let process = root.join("process");
        let file = process.join("config/config.json");
        let config = fs::read_to_string(&file).expect("config");
        let expected = json!({"ca": process.join("tls/ca.crt"), "text": "see /tls/ca.crt"});
        assert_eq!(serde_json::from_str::<Value>(&config).expect("JSON"), expected);
        assert_eq!(fs::metadata(&file).expect("file").permissions().mode() & 0o777, 0o600);
        assert!(process.join("token/kagent-token").is_file());
        assert!(process.join("scratch").is_dir());
        assert_eq!(
            mounts.rewrite("--ca=/tls/ca.crt --dir /tmp/scratch /tlsx a/tls"),
            format!("--ca={0}/tls/ca.crt --dir {0}/scratch /tlsx a/tls", process.display())
        );
    }

    #[test]
    fn nothing_is_mounted_over_the_whole_machine() {
        let dir = tempfile::tempdir().expect("directory");
        let pod = json!({
            "containers": [{"name": "kagent", "volumeMounts": [{"name": "v", "mountPath": "/"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        });
        assert_eq!(
            write(pod, dir.path()).expect_err("refused").to_string(),
            "volume v: it cannot be mounted at / in standalone mode"
        );
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        let dir = tempfile::tempdir().expect("directory");
        let mount = |volume: Value| {
            let pod = json!({
                "containers": [{"name": "kagent", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [volume],
            });
            write(pod, dir.path()).expect_err("refused").to_string()
        };
        for (volume, message) in [
            (
                json!({"name": "v", "secret": {"secretName": "b"}}),
                "volume v: Secret b does not exist",
            ),
            (
                json!({"name": "v", "secret": {"secretName": "a", "items": [{"key": "ca.crt", "path": "../x"}]}}),
                "volume v: \"../x\" leads out of its volume",
            ),
            (
                json!({"name": "v", "nfs": {"server": "s", "path": "/"}}),
                "volume v: this kind of volume is not available in standalone mode",
            ),
            (json!({"name": "w", "emptyDir": {}}), "there is no volume v"),
        ] {
            assert_eq!(mount(volume), message);
        }
    }
}
