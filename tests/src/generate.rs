//! Generated files: what they should hold, which of them are stale, and writing them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

pub mod crds;
pub mod openapi;

/// One line for the person at the terminal.
pub fn say(line: &str) {
    // A closed terminal is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// The files that one generator makes.
pub struct Generated {
    /// Folders that hold nothing else: other files in them are left over from earlier runs.
    pub folders: Vec<PathBuf>,
    /// Content of each file, by its path under the root of the workspace.
    pub files: BTreeMap<PathBuf, String>,
}

impl Generated {
    /// The files that are missing, differ or are left over, in the order of their paths.
    pub fn find_stale(&self) -> Result<Vec<PathBuf>> {
        self.find_stale_in(workspace_root())
    }

    /// Writes what is missing or differs and removes what is left over.
    pub fn write(&self) -> Result<()> {
        self.write_in(workspace_root())
    }

    fn find_stale_in(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let mut stale = BTreeSet::new();
        for (path, content) in &self.files {
            match fs::read(root.join(path)) {
                Ok(found) if found == content.as_bytes() => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot read {}", path.display()));
                }
                _ => {
                    stale.insert(path.clone());
                }
            }
        }
        stale.extend(self.find_left_over(root)?);
        Ok(stale.into_iter().collect())
    }

    fn write_in(&self, root: &Path) -> Result<()> {
        for path in self.find_stale_in(root)? {
            let target = root.join(&path);
            match self.files.get(&path) {
                Some(content) => write_file(&target, content),
                None => fs::remove_file(&target),
            }
            .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn find_left_over(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let mut left_over = vec![];
        for folder in &self.folders {
            let entries = match fs::read_dir(root.join(folder)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
            };
            for entry in entries {
                let path = folder.join(
                    entry
                        .with_context(|| format!("cannot read {}", folder.display()))?
                        .file_name(),
                );
                if !self.files.contains_key(&path) {
                    left_over.push(path);
                }
            }
        }
        Ok(left_over)
    }
}

fn write_file(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

fn workspace_root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_changed_and_left_over_files_are_stale_until_written() {
        let root = tempfile::tempdir().unwrap();
        let generated = Generated {
            folders: vec!["out".into()],
            files: ["same", "changed", "missing"]
                .map(|name| (Path::new("out").join(name), name.to_owned()))
                .into(),
        };
        fs::create_dir(root.path().join("out")).unwrap();
        fs::write(root.path().join("out/same"), "same").unwrap();
        fs::write(root.path().join("out/changed"), "other").unwrap();
        fs::write(root.path().join("out/old"), "old").unwrap();

        let stale = generated.find_stale_in(root.path()).unwrap();
        assert_eq!(stale, ["out/changed", "out/missing", "out/old"].map(PathBuf::from));

        generated.write_in(root.path()).unwrap();
        assert_eq!(generated.find_stale_in(root.path()).unwrap(), Vec::<PathBuf>::new());
        assert!(!root.path().join("out/old").exists());
        assert_eq!(fs::read_to_string(root.path().join("out/changed")).unwrap(), "changed");
    }
}
