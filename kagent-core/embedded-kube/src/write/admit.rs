//! What every object goes through before it is stored: form, pruning, defaults, and the checks of its kind.

use serde_json::{Value, json};

use crate::{
    core::{FieldValidation, Target},
    metadata,
    resource::{check_builtin, decode_builtin, decode_metadata, text},
    status::{ApiError, ApiResult, Cause},
};

/// Brings an object into the form of its kind. Texts for `Warning` headers come back.
///
/// # Errors
/// 400 if it is of another kind or cannot be read, or has unknown fields under strict validation.
pub(super) fn decode(target: &Target, object: &mut Value, validation: FieldValidation) -> ApiResult<Vec<String>> {
    let kind = &target.resource.kind;
    check_type(target, object)?;
    let cannot = |why: String| {
        ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: {why}",
            target.version
        ))
    };
    let mut unknown = decode_metadata(object).map_err(cannot)?;
    if target.resource.custom {
        let schema = &target.version().schema;
        unknown.extend(schema.prune_object(object));
        schema.drop_nulls(object);
        schema.apply_defaults(object);
    } else {
        unknown.extend(decode_builtin(kind, object).map_err(cannot)?);
    }
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(unknown
            .into_iter()
            .map(|path| format!("unknown field {path:?}"))
            .collect()),
        FieldValidation::Strict if unknown.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => {
            let list: Vec<String> = unknown
                .into_iter()
                .map(|path| format!("unknown field {path:?}"))
                .collect();
            Err(cannot(format!("strict decoding error: {}", list.join(", "))))
        }
    }
}

/// `apiVersion` and `kind` must be those of the path; missing ones are filled in.
fn check_type(target: &Target, object: &mut Value) -> ApiResult<()> {
    let expected = target.api_version();
    if !object.is_object() {
        return Err(ApiError::bad_request("the body of the request is not an object"));
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
