//! What every object goes through before it is stored: form, pruning, defaults, and the checks of its kind.

use serde_json::{Value, json};

use crate::{
    core::{FieldValidation, Target, WriteOptions},
    fields::walk::duplicate_entries,
    metadata,
    resource::{check_builtin, decode_builtin, decode_metadata, text},
    status::{ApiError, ApiResult, Cause},
};

/// Why an object could not be brought into the form of its kind.
#[derive(Debug)]
pub(super) enum Undecodable {
    /// Strict validation was asked for; the text names the fields.
    UnknownFields(String),
    Malformed(String),
    Refused(ApiError),
}

impl Undecodable {
    /// The refusal of an object that was sent whole.
    pub(super) fn into_error(self, target: &Target) -> ApiError {
        let kind = &target.resource.kind;
        match self {
            Self::UnknownFields(why) | Self::Malformed(why) => ApiError::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: {why}",
                target.version
            )),
            Self::Refused(error) => error,
        }
    }
}

/// Brings an object into the form of its kind. Texts for `Warning` headers come back.
///
/// # Errors
/// It is of another kind or cannot be read, or has unknown fields under strict validation.
pub(super) fn decode(target: &Target, object: &mut Value, options: &WriteOptions) -> Result<Vec<String>, Undecodable> {
    check_type(target, object).map_err(Undecodable::Refused)?;
    let mut decoded = object.clone();
    let unknown = decode_fields(target, &mut decoded).map_err(Undecodable::Malformed)?;
    let twice = options
        .duplicate_fields
        .iter()
        .map(|path| format!("duplicate field {path:?}"));
    let unknown: Vec<String> = twice
        .chain(unknown.iter().map(|path| format!("unknown field {path:?}")))
        .collect();
    if options.validation == FieldValidation::Strict && !unknown.is_empty() {
        let why = format!("strict decoding error: {}", unknown.join(", "));
        return Err(Undecodable::UnknownFields(why));
    }
    *object = decoded;
    Ok(match options.validation {
        FieldValidation::Ignore => Vec::new(),
        _ => unknown,
    })
}

/// Drops what the kind does not have, fills in defaults; the paths of what was dropped.
fn decode_fields(target: &Target, object: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = decode_metadata(object)?;
    if target.resource.custom {
        let schema = &target.version().schema;
        unknown.extend(schema.prune_object(object));
        schema.drop_nulls(object);
        schema.apply_defaults(object);
    } else {
        unknown.extend(decode_builtin(&target.resource.kind, object)?);
    }
    Ok(unknown)
}

/// Brings an object into the version it is stored in: what that one does not have is lost, as without a conversion.
pub(super) fn store_as(target: &Target, object: &mut Value) {
    let resource = &target.resource;
    let storage = resource.storage_version();
    object["apiVersion"] = json!(resource.api_version(&storage.name));
    if resource.custom && !target.is_stored_form() {
        storage.schema.prune_object(object);
    }
}

/// What server-side apply wants of a configuration before it looks at anything: only fields of the kind, and lists whose
/// entries have different keys.
///
/// # Errors
/// 500, as from the API server.
pub(super) fn check_applied(target: &Target, config: &Value) -> ApiResult<()> {
    let mut problems = duplicate_entries(Some(&target.version().schema), config);
    if problems.is_empty() {
        let mut decoded = config.clone();
        problems = match decode_fields(target, &mut decoded) {
            Ok(unknown) => unknown
                .into_iter()
                .map(|path| format!(".{path}: field not declared in schema"))
                .collect(),
            Err(why) => vec![why],
        };
    }
    if problems.is_empty() {
        return Ok(());
    }
    let (namespace, name) = (
        text(config, &["metadata", "namespace"]),
        text(config, &["metadata", "name"]),
    );
    let kind = &target.resource.kind;
    let version = format!("{}/{}", target.resource.group, target.version);
    Err(ApiError::untyped(
        &format!("{namespace}/{name}"),
        &format!("{version}, Kind={kind}"),
        &problems,
    ))
}

/// `apiVersion` and `kind` must be those of the path; missing ones are filled in.
fn check_type(target: &Target, object: &mut Value) -> ApiResult<()> {
    let expected = target.api_version();
    if !object.is_object() {
        return Err(ApiError::bad_request("the body of the request is not an object"));
    }
    if target.resource.custom && text(object, &["kind"]).is_empty() {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{object}'",
            target.resource.kind
        )));
    }
    match text(object, &["apiVersion"]) {
        "" => object["apiVersion"] = json!(expected),
        found if found == expected => {}
        found => {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({found}) does not match the expected API version ({expected})"
            )));
        }
    }
    match text(object, &["kind"]) {
        "" => object["kind"] = json!(target.resource.kind),
        found if found == target.resource.kind => {}
        found if target.resource.custom => {
            return Err(ApiError::wrong_kind(
                &target.resource,
                found,
                text(object, &["metadata", "name"]),
            ));
        }
        found => {
            return Err(ApiError::bad_request(format!(
                "{} in version {:?} cannot be handled as a {}: the kind in the data is {found}",
                target.resource.kind, target.version, target.resource.kind
            )));
        }
    }
    Ok(())
}

/// Checks metadata, schema and rules.
///
/// # Errors
/// 422 with every violation.
pub(super) fn validate(target: &Target, object: &Value, old: Option<&Value>) -> ApiResult<()> {
    let mut causes = Vec::new();
    metadata::validate(&target.resource, object, old, &mut causes);
    if target.resource.custom {
        let schema = &target.version().schema;
        schema.validate(object, old, "", &mut causes);
        if !causes.iter().any(Cause::blocks_rules) {
            schema.check_rules(object, old, "", &mut causes);
        } else if schema.has_rules() {
            causes.push(Cause::invalid(
                "<nil>",
                &Value::Null,
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
            ));
        }
    } else {
        check_builtin(&target.resource, object, old, &mut causes);
    }
    if causes.is_empty() {
        Ok(())
    } else {
        let name = text(object, &["metadata", "name"]);
        Err(ApiError::invalid(&target.resource, name, &causes))
    }
}
