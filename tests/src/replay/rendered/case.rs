//! A recorded case: its files, packed into one JSON document, and its steps.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

/// Contents by path.
pub type Files = BTreeMap<String, String>;

/// One recorded case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, and that of its namespace.
    pub name: String,
    files: Files,
}

impl Case {
    /// The cases of a directory, by name: packed ones (`<case>.json`) and unpacked ones (`<case>/`).
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read_all(dir: &Path) -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        let entries = std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let files = if path.is_dir() {
                let mut files = Files::new();
                add_files(&path, &path, &mut files)?;
                files
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read_to_string(&path)?;
                let mut packed: BTreeMap<String, Files> = serde_json::from_str(&text)?;
                packed.remove("files").context("no files in it")?
            } else {
                continue;
            };
            cases.push(Self {
                name: name.to_owned(),
                files,
            });
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// Beginnings of the paths of each step.
    pub fn steps(&self) -> &'static [&'static str] {
        match self.files.contains_key("input.yaml") {
            true => &[""],
            false => &["step-1/", "step-2/"],
        }
    }

    /// A file of a step.
    pub fn find(&self, step: &str, name: &str) -> Option<&str> {
        self.files.get(&format!("{step}{name}")).map(String::as_str)
    }

    /// The files below a folder, without its name.
    pub fn list<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter_map(move |(path, text)| Some((path.strip_prefix(folder)?, text.as_str())))
    }

    /// Flags, environment and the state of the cluster that are not the default.
    pub fn flags(&self) -> Vec<&str> {
        let flags = self.find("", "flags.txt").unwrap_or_default();
        flags.lines().filter(|line| !line.is_empty()).collect()
    }

    /// The namespaces that the input names, and the case's own.
    pub fn namespaces(&self) -> Vec<String> {
        let mut namespaces = vec![self.name.clone()];
        for step in self.steps() {
            for object in self.find(step, "input.yaml").map(read_yaml).unwrap_or_default() {
                let metadata = &object["metadata"];
                let named = match object["kind"].as_str() {
                    Some("Namespace") => metadata["name"].as_str(),
                    _ => metadata["namespace"].as_str(),
                };
                namespaces.extend(named.map(str::to_owned));
            }
        }
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }
}

fn add_files(root: &Path, dir: &Path, files: &mut Files) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            add_files(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The documents of a YAML text, as kubectl reads them: `n` and `on` are text.
pub fn read_yaml(text: &str) -> Vec<Value> {
    text.split("\n---")
        .map(|document| document.strip_prefix("---").unwrap_or(document))
        .filter_map(|document| {
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options::<Value>(document, options).ok()
        })
        .filter(|document| !document.is_null())
        .collect()
}
