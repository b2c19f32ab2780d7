//! Which objects came from which file, kept across restarts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// Names an object in the API.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct ObjectKey {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    /// Empty for objects of the whole cluster.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

type Files = BTreeMap<String, BTreeSet<ObjectKey>>;

/// The record, in memory and in its file.
#[derive(Debug)]
pub(super) struct Applied {
    path: PathBuf,
    files: Files,
}

impl Applied {
    /// Reads the record. Without one nothing has been applied; then a manifest that went away meanwhile is not noticed.
    pub(super) fn load(path: PathBuf) -> Self {
        let files = match fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Files::new()),
            Err(error) => Err(error.to_string()),
        };
        let files = files.unwrap_or_else(|error| {
            tracing::warn!(error, file = %path.display(), "cannot read which manifests were applied before");
            Files::new()
        });
        Self { path, files }
    }

    pub(super) fn of_file(&self, file: &str) -> Option<BTreeSet<ObjectKey>> {
        self.files.get(file).cloned()
    }

    pub(super) fn count(&self) -> usize {
        self.files.values().map(BTreeSet::len).sum()
    }

    /// Takes on `now`; the objects that no file has any more.
    pub(super) fn replace(&mut self, now: Files) -> Vec<ObjectKey> {
        let kept: BTreeSet<&ObjectKey> = now.values().flatten().collect();
        let gone: BTreeSet<ObjectKey> = self
            .files
            .values()
            .flatten()
            .filter(|key| !kept.contains(key))
            .cloned()
            .collect();
        self.files = now;
        if let Err(error) = self.save() {
            tracing::warn!(%error, file = %self.path.display(), "cannot note which manifests were applied");
        }
        gone.into_iter().collect()
    }

    fn save(&self) -> io::Result<()> {
        let content = serde_json::to_vec_pretty(&self.files)?;
        let new = self.path.with_extension("new");
        fs::write(&new, content)?;
        fs::rename(new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_has_any_more_is_found_after_a_restart_too() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("applied.json");
        let key = |name: &str| ObjectKey {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            namespace: "kagent".to_owned(),
            name: name.to_owned(),
        };
        let mut applied = Applied::load(path.clone());
        let before = Files::from([
            ("a.yaml".to_owned(), [key("a"), key("b")].into()),
            ("b.yaml".to_owned(), [key("c")].into()),
        ]);
        assert!(applied.replace(before).is_empty());

        let mut applied = Applied::load(path);
        assert_eq!(applied.count(), 3);
        let moved = Files::from([("c.yaml".to_owned(), [key("b"), key("c")].into())]);
        assert_eq!(applied.replace(moved), [key("a")]);
    }
}
