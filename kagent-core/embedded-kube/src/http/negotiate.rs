//! Content types: what a body is read as, and in which form an answer is wanted. JSON in and out.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use crate::{
    form::Form,
    resource::Resource,
    status::{ApiError, ApiResult},
    table::RowObject,
    write::PatchBody,
};

const JSON: &str = "application/json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The patch forms of a kind.
pub(super) fn patch_forms(resource: &Resource) -> Vec<&'static str> {
    let mut forms = vec![
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ];
    if resource.is("", "secrets") || resource.is("", "configmaps") {
        forms.insert(2, STRATEGIC);
    }
    forms
}

/// The wanted form: the first media type in `Accept` that can be served.
///
/// # Errors
/// 406 if none can, such as protobuf or YAML alone.
pub(super) fn form(headers: &HeaderMap, row_object: RowObject) -> ApiResult<Form> {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(Form::Whole);
    };
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !matches!(media, JSON | "application/*" | "*/*" | "") {
            continue;
        }
        let parameters: Vec<&str> = parts.collect();
        let find = |name: &str| parameters.iter().find_map(|parameter| parameter.strip_prefix(name));
        let is_meta = find("g=") == Some("meta.k8s.io") && find("v=") == Some("v1");
        match find("as=") {
            None => return Ok(Form::Whole),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if is_meta => return Ok(Form::Metadata),
            Some("Table") if is_meta => return Ok(Form::Table(row_object)),
            Some(_) => {}
        }
    }
    Err(ApiError::not_acceptable(&[JSON]))
}

/// Whether aggregated discovery (`APIGroupDiscoveryList`) is wanted and may be given.
pub(super) fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| {
        accept.split(',').any(|range| {
            range.contains("as=APIGroupDiscoveryList") && range.contains("v=v2") && !range.contains("v=v2beta1")
        })
    })
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

fn parse(body: &Bytes) -> ApiResult<Value> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body of the request could not be decoded: {error}")))
}

/// A body that must be JSON.
pub(super) fn json_body(headers: &HeaderMap, body: &Bytes) -> ApiResult<Value> {
    match content_type(headers) {
        JSON | "" => parse(body),
        _ => Err(ApiError::unsupported_media_type(&[JSON])),
    }
}

/// The body of a PATCH.
///
/// # Errors
/// 415 for a patch form that is not known, and for strategic merge on kinds other than Secret and ConfigMap.
pub(super) fn patch_body(headers: &HeaderMap, body: &Bytes, resource: &Resource) -> ApiResult<PatchBody> {
    let accepted = patch_forms(resource);
    let strategic = accepted.contains(&STRATEGIC);
    match content_type(headers) {
        "application/json-patch+json" => Ok(PatchBody::Json(parse(body)?)),
        "application/merge-patch+json" => Ok(PatchBody::Merge(parse(body)?)),
        STRATEGIC if strategic => Ok(PatchBody::Strategic(parse(body)?)),
        "application/apply-patch+yaml" => Ok(PatchBody::Apply(parse_yaml(body)?)),
        _ => Err(ApiError::unsupported_media_type(&accepted)),
    }
}

/// YAML, of which JSON is the usual case.
fn parse_yaml(body: &Bytes) -> ApiResult<Value> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("error decoding YAML: it is not UTF-8"))?;
    // As for the API server, `n` and `y` are words.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_applied_configuration_may_be_yaml() {
        let body = Bytes::from_static(b"kind: X\nmetadata:\n  name: n\nspec: {on: true, count: 3, text: \"3\"}\n");
        assert_eq!(
            parse_yaml(&body).expect("YAML"),
            json!({ "kind": "X", "metadata": { "name": "n" }, "spec": { "on": true, "count": 3, "text": "3" } })
        );
        assert_eq!(parse_yaml(&Bytes::from_static(b"a: [")).expect_err("broken").code, 400);
    }

    #[test]
    fn the_first_form_that_can_be_served_is_taken() {
        let wanted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
            form(&headers, RowObject::Metadata)
        };
        assert_eq!(
            wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
            Ok(Form::Table(RowObject::Metadata))
        );
        assert_eq!(
            wanted("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
            Ok(Form::Metadata)
        );
        assert_eq!(wanted("application/vnd.kubernetes.protobuf").expect_err("no").code, 406);
        assert_eq!(
            wanted("application/json;as=Table;v=v0;g=meta.k8s.io,application/json"),
            Ok(Form::Whole)
        );
        assert_eq!(form(&HeaderMap::new(), RowObject::Metadata), Ok(Form::Whole));
    }
}
