//! The per-user cache of what tests need and cargo does not bring: one folder per requirement, named by its content.
//!
//! A folder counts only with its marker file, which is written last: an interrupted run leaves nothing that is believed.
//! A lock makes two runs at the same time wait for each other instead of building twice.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::process::say;

const MARKER: &str = ".complete";

/// `${XDG_CACHE_HOME:-~/.cache}/kagent-rs`.
pub(crate) fn root() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => {
            let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
            PathBuf::from(home).join(".cache")
        }
    };
    Ok(base.join("kagent-rs"))
}

/// The folder for `what` in the state that `requirements` describe, if it is there already.
pub(crate) fn find(root: &Path, what: &str, requirements: &[&str]) -> Option<PathBuf> {
    let dir = folder(root, what, requirements);
    dir.join(MARKER).is_file().then_some(dir)
}

/// The folder for `what` in the state that `requirements` describe; `build` fills it when it is not there yet.
///
/// `build` gets the final path, because Python environments contain their own path.
pub(crate) fn ensure(
    root: &Path,
    what: &str,
    requirements: &[&str],
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if let Some(dir) = find(root, what, requirements) {
        return Ok(dir);
    }
    fs::create_dir_all(root).with_context(|| format!("cannot create {}", root.display()))?;
    let lock = File::create(root.join(format!("{what}.lock")))?;
    if lock.try_lock().is_err() {
        say(&format!("waiting for another run that is fetching {what}"));
        lock.lock()?;
    }
    if let Some(dir) = find(root, what, requirements) {
        return Ok(dir);
    }
    let dir = folder(root, what, requirements);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove the unfinished {}", dir.display()))?;
    }
    fs::create_dir_all(&dir)?;
    build(&dir)?;
    let unfinished = dir.join(".complete.new");
    fs::write(&unfinished, "")?;
    fs::rename(unfinished, dir.join(MARKER))?;
    Ok(dir)
}

fn folder(root: &Path, what: &str, requirements: &[&str]) -> PathBuf {
    root.join(format!("{what}-{}", content_key(requirements)))
}

fn content_key(requirements: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for requirement in requirements {
        hasher.update(requirement.len().to_be_bytes());
        hasher.update(requirement.as_bytes());
    }
    let mut key = String::new();
    for byte in &hasher.finalize()[..6] {
        key.push_str(&format!("{byte:02x}"));
    }
    key
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn mk_root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-cache-{}-{name}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        root
    }

    #[test]
    fn a_finished_folder_is_built_once() {
        let root = mk_root("once");
        let first = ensure(&root, "thing", &["1"], |dir| Ok(fs::write(dir.join("file"), "x")?)).unwrap();
        let second = ensure(&root, "thing", &["1"], |_| bail!("built twice")).unwrap();
        assert_eq!(first, second);
        assert!(second.join("file").is_file());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_interrupted_build_is_done_again_from_nothing() {
        let root = mk_root("interrupted");
        let failed = ensure(&root, "thing", &["1"], |dir| {
            fs::write(dir.join("half"), "x")?;
            bail!("interrupted")
        });
        assert!(failed.is_err());
        let dir = ensure(&root, "thing", &["1"], |_| Ok(())).unwrap();
        assert!(!dir.join("half").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn other_requirements_are_another_folder() {
        assert_ne!(content_key(&["a", "b"]), content_key(&["ab", ""]));
        assert_eq!(content_key(&["a"]).len(), 12);
    }
}
