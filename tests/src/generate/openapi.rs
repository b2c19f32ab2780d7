//! The OpenAPI documents: `openapi/kagent-server.json`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use super::Generated;

const FOLDER: &str = "openapi";

/// The documents.
///
/// # Errors
/// When one cannot be written as JSON.
pub fn build_documents() -> Result<Generated> {
    let folder = Path::new(FOLDER);
    let document = serde_json::to_string_pretty(&kagent_core::http::openapi())? + "\n";
    Ok(Generated {
        folders: vec![folder.to_owned()],
        files: BTreeMap::from([(folder.join("kagent-server.json"), document)]),
    })
}
