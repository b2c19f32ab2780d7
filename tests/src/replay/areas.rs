//! Which recordings a replay covers: `tests/recordings/areas.toml`, which later issues extend.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What is covered, per kind of recordings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Areas {
    /// REST.
    pub rest: RestAreas,
    /// A2A.
    pub a2a: A2aAreas,
}

/// Areas of the REST recordings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestAreas {
    /// Areas, in the order of the run.
    pub areas: Vec<String>,
    /// Routes that are not served yet: their steps are left out.
    pub other_routes: Vec<String>,
}

/// Areas of the A2A recordings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct A2aAreas {
    /// Areas, in the order of the run.
    pub areas: Vec<String>,
    /// Only callers of this version.
    pub wire: Option<String>,
}

impl Areas {
    /// Reads the list.
    ///
    /// # Errors
    /// When it is missing or not of the form.
    pub fn read(recordings: &Path) -> Result<Self> {
        let path = recordings.join("areas.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("read {}", path.display()))
    }
}
