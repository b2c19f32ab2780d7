//! Deviations from recordings that are meant: `tests/recordings/meant.toml`, each with our exact answer and its reason.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// One deviation; several cases may share it when the answer is the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    area: String,
    #[serde(default)]
    case: Option<String>,
    #[serde(default)]
    cases: Vec<String>,
    field: String,
    answer: String,
    reason: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    meant: Vec<Entry>,
}

/// The list.
#[derive(Clone, Debug, Default)]
pub struct MeantList(Vec<Entry>);

impl MeantList {
    /// Reads the list; a missing file is an empty one.
    ///
    /// # Errors
    /// When the file is not of the form, or an entry has no reason.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let file: File =
            toml::from_str(&std::fs::read_to_string(path)?).with_context(|| format!("read {}", path.display()))?;
        for entry in &file.meant {
            anyhow::ensure!(
                !entry.reason.trim().is_empty(),
                "{}: {:?} has no reason",
                path.display(),
                entry
            );
        }
        Ok(Self(file.meant))
    }

    /// Why this answer is meant, if it is. `answer` is JSON text, or a word that `is_word` understands.
    pub fn find_reason(
        &self,
        area: &str,
        case: &str,
        field: &str,
        seen: &Value,
        is_word: impl Fn(&str) -> bool,
    ) -> Option<&str> {
        self.0
            .iter()
            .filter(|entry| entry.area == area && entry.field == field)
            .filter(|entry| entry.case.as_deref() == Some(case) || entry.cases.iter().any(|name| name == case))
            .find(|entry| match serde_json::from_str::<Value>(&entry.answer) {
                Ok(answer) => answer == *seen,
                Err(_) => is_word(&entry.answer),
            })
            .map(|entry| entry.reason.as_str())
    }
}
