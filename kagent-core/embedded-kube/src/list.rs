//! Lists: selectors, pages with `limit` and `continue`, and lists as of an earlier revision.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    core::{Core, Target},
    form::Form,
    selector::Selector,
    status::{ApiError, ApiResult},
    storage::{Object, ObjectKey},
    table::build_table,
};

/// The query of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    pub(crate) selector: Selector,
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    pub(crate) resource_version: String,
    pub(crate) version_match: String,
}

/// A list before it is written out.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Object>>,
    continue_token: Option<String>,
    remaining: Option<usize>,
}

impl Core {
    /// The objects of a list.
    ///
    /// # Errors
    /// 410 if the revision that is asked for is no longer in the history, 504 if it has not been reached.
    pub(crate) fn list(&self, target: &Target, options: &ListOptions) -> ApiResult<Page> {
        let id = target.resource.id();
        let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
        let mut start = None;
        let at = if !options.continue_token.is_empty() {
            let (revision, key) = decode_token(&options.continue_token)?;
            start = Some(key);
            Some(revision)
        } else {
            self.wanted_revision(options)?
        };
        let mut snapshot = self.storage.snapshot(&id, namespace, at).ok_or_else(|| {
            ApiError::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
        })?;
        let mut objects = std::mem::take(&mut snapshot.objects);
        if let Some(start) = start {
            objects.retain(|object| ObjectKey::of(&object.value) > start);
        }
        if !options.selector.is_empty() {
            objects.retain(|object| options.selector.matches(&object.value));
        }
        let mut page = Page {
            revision: snapshot.revision,
            objects,
            continue_token: None,
            remaining: None,
        };
        if options.limit > 0 && page.objects.len() > options.limit {
            // The API server does not count what is left behind a selector.
            page.remaining = options
                .selector
                .is_empty()
                .then_some(page.objects.len() - options.limit);
            page.objects.truncate(options.limit);
            if let Some(last) = page.objects.last() {
                page.continue_token = Some(encode_token(page.revision, &ObjectKey::of(&last.value)));
            }
        }
        Ok(page)
    }

    fn wanted_revision(&self, options: &ListOptions) -> ApiResult<Option<u64>> {
        let wanted = options.resource_version.as_str();
        if wanted.is_empty() || wanted == "0" {
            return Ok(None);
        }
        let revision: u64 = wanted
            .parse()
            .map_err(|_| ApiError::bad_request(format!("invalid resource version {wanted:?}")))?;
        let current = self.storage.revision();
        if revision > current {
            return Err(too_large(revision, current));
        }
        let exact = options.version_match == "Exact" || (options.version_match.is_empty() && options.limit > 0);
        Ok(exact.then_some(revision))
    }
}

/// A revision that this server has not reached.
pub(crate) fn too_large(revision: u64, current: u64) -> ApiError {
    let mut error = ApiError::new(
        504,
        "Timeout",
        format!("Too large resource version: {revision}, current: {current}"),
    );
    error.details = Some(json!({
        "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        "retryAfterSeconds": 1,
    }));
    error
}

impl Page {
    /// The list as JSON, from the objects' own bytes where those are in the version that was asked for.
    pub(crate) fn to_json(&self, clock: &Clock, target: &Target, form: Form) -> Bytes {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        match &self.continue_token {
            Some(token) => metadata["continue"] = json!(token),
            // As the API server's untyped lists have it.
            None if target.resource.custom && form == Form::Whole => metadata["continue"] = json!(""),
            None => {}
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        let (kind, api_version) = match form {
            Form::Whole => (target.resource.list_kind.as_str(), target.api_version()),
            Form::Metadata => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
            Form::Table(row_object) => {
                let objects: Vec<Value> = self.objects.iter().map(|object| target.present(object)).collect();
                let table = build_table(
                    clock,
                    &target.resource,
                    target.version(),
                    &metadata,
                    &objects,
                    row_object,
                    true,
                );
                return Bytes::from(table.to_string());
            }
        };
        let head = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata }).to_string();
        let mut text = Vec::with_capacity(head.len() + 16 + self.objects.len() * 512);
        text.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
        if form == Form::Metadata && self.objects.is_empty() {
            text.extend_from_slice(b",\"items\":null}");
            return Bytes::from(text);
        }
        text.extend_from_slice(b",\"items\":[");
        for (index, object) in self.objects.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&form.object(clock, target, object));
        }
        text.extend_from_slice(b"]}");
        Bytes::from(text)
    }
}

/// `PartialObjectMetadata` of an object.
pub(crate) fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn encode_token(revision: u64, key: &ObjectKey) -> String {
    URL_SAFE_NO_PAD
        .encode(json!({ "v": "meta.k8s.io/v1", "rv": revision, "start": [key.namespace, key.name] }).to_string())
}

fn decode_token(token: &str) -> ApiResult<(u64, ObjectKey)> {
    let invalid = || ApiError::bad_request("continue key is not valid");
    let json = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let json: Value = serde_json::from_slice(&json).map_err(|_| invalid())?;
    let text = |index: usize| json["start"][index].as_str().ok_or_else(invalid);
    Ok((
        json["rv"].as_u64().ok_or_else(invalid)?,
        ObjectKey::new(text(0)?, text(1)?),
    ))
}
