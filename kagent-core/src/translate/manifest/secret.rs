//! The Secret that is mounted at `/config`. It holds header values in clear, therefore it is a Secret.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{
    super::{options::TranslateOptions, resolved::ResolvedAgent},
    ConfigFiles, build_metadata,
};

/// The Secret of `agent`.
pub(super) fn build_secret(agent: &ResolvedAgent, options: &TranslateOptions, files: &ConfigFiles) -> Secret {
    let mut data = BTreeMap::from([
        ("config.json".to_owned(), to_bytes(&files.config)),
        ("agent-card.json".to_owned(), to_bytes(&files.card)),
    ]);
    if let Some(sandbox) = &files.sandbox {
        data.insert("srt-settings.json".to_owned(), to_bytes(sandbox));
    }
    Secret {
        metadata: build_metadata(agent, options),
        data: Some(data),
        ..Secret::default()
    }
}

fn to_bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
