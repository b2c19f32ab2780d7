//! Errors in the API server's own form: a `Status` object with its code, reason, message and details.
//!
//! Every refusal of this server is one of these; nothing is refused with a bare status code or ignored silently.

use serde_json::{Value, json};

use crate::resource::Resource;

/// A failure that is answered as a `Status` object.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, such as `NotFound`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
    /// `details` of the Status: name, group, kind, uid, causes.
    pub details: Option<Value>,
}

/// Result of everything that can be refused.
pub type ApiResult<T> = Result<T, ApiError>;

/// One entry of `details.causes` of an invalid object, and of the list in its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    /// Path of the field such as `spec.tools[0].type`; `<nil>` where the API server has none.
    pub(crate) field: String,
    /// What follows the path in the message: `Invalid value: "x": why`.
    pub(crate) body: String,
}

impl Cause {
    fn new(reason: &'static str, field: &str, body: String) -> Self {
        Self {
            reason,
            field: field.to_owned(),
            body,
        }
    }

    pub(crate) fn required(field: &str, why: &str) -> Self {
        Self::new("FieldValueRequired", field, with_why("Required value", why))
    }

    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self::new("FieldValueForbidden", field, with_why("Forbidden", why))
    }

    /// An invalid value, shown as Go shows it in such messages.
    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self::new(
            "FieldValueInvalid",
            field,
            with_why(&format!("Invalid value: {}", show(value)), why),
        )
    }

    /// An invalid value that is not repeated in the message, as the API server does for objects and lists.
    pub(crate) fn invalid_omitted(field: &str, why: &str) -> Self {
        Self::new("FieldValueInvalid", field, with_why("Invalid value", why))
    }

    pub(crate) fn type_invalid(field: &str, value: &Value, why: &str) -> Self {
        Self::new(
            "FieldValueTypeInvalid",
            field,
            with_why(&format!("Invalid value: {}", show(value)), why),
        )
    }

    pub(crate) fn duplicate(field: &str, value: &Value) -> Self {
        Self::new(
            "FieldValueDuplicate",
            field,
            format!("Duplicate value: {}", show(value)),
        )
    }

    pub(crate) fn not_found(field: &str, value: &Value) -> Self {
        Self::new("FieldValueNotFound", field, format!("Not found: {}", show(value)))
    }

    /// Whether CEL rules are not run when a schema violation of this kind was found.
    pub(crate) fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    }

    pub(crate) fn not_supported(field: &str, value: &Value, supported: &[String]) -> Self {
        let supported: Vec<String> = supported.iter().map(|text| format!("{text:?}")).collect();
        Self::new(
            "FieldValueNotSupported",
            field,
            format!(
                "Unsupported value: {}: supported values: {}",
                show(value),
                supported.join(", ")
            ),
        )
    }

    pub(crate) fn too_long(field: &str, why: &str) -> Self {
        Self::new("FieldValueTooLong", field, with_why("Too long", why))
    }

    pub(crate) fn too_many(field: &str, actual: usize, max: u64) -> Self {
        Self::new(
            "FieldValueTooMany",
            field,
            format!("Too many: {actual}: must have at most {max} items"),
        )
    }

    fn message(&self) -> String {
        format!("{}: {}", self.field, self.body)
    }
}

fn with_why(what: &str, why: &str) -> String {
    if why.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {why}")
    }
}

/// A value as the API server shows it in messages: strings quoted, everything else as compact JSON.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

impl ApiError {
    /// A failure without details.
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = Some(details(resource, name));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// A group, version or resource that is not served.
    pub(crate) fn unknown_resource() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource");
        error.details = Some(json!({}));
        error
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// A precondition of a deletion does not hold; such answers name the kind where others name the resource.
    pub(crate) fn precondition_failed(resource: &Resource, name: &str, why: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!("Operation cannot be fulfilled on {kind} {name:?}: {why}");
        let mut error = Self::new(409, "Conflict", message).about(resource, name);
        if let Some(details) = &mut error.details {
            details["kind"] = json!(resource.kind);
        }
        error
    }

    /// Parameters of a request that cannot be: `options` is `PatchOptions` and the like.
    pub(crate) fn invalid_options(options: &str, causes: &[Cause]) -> Self {
        let mut error = Self::invalid_by_name(&format!("{options}.meta.k8s.io"), "", causes);
        if let Some(details) = &mut error.details {
            details["group"] = json!("meta.k8s.io");
            details["kind"] = json!(options);
        }
        error
    }

    /// A patch whose result is refused as a whole, such as one with unknown fields.
    pub(crate) fn invalid_patch(result: &Value, why: &str) -> Self {
        let cause = Cause::invalid("patch", &json!(result.to_string()), why);
        Self::invalid_by_name("", "", &[cause])
    }

    /// A custom object of another kind than the path's.
    pub(crate) fn wrong_kind(resource: &Resource, found: &str, name: &str) -> Self {
        let cause = Cause::invalid("kind", &json!(found), &format!("must be {}", resource.kind));
        let mut error = Self::invalid_by_name(&format!("{found}.{}", resource.group), name, &[cause]);
        if let Some(details) = &mut error.details {
            details["group"] = json!(resource.group);
            details["kind"] = json!(found);
        }
        error
    }

    /// What server-side apply cannot read as the kind it is for; the API server calls that its own error.
    pub(crate) fn untyped(name: &str, kind: &str, problems: &[String]) -> Self {
        let problems = match problems {
            [one] => one.clone(),
            many => format!("errors:\n  {}", many.join("\n  ")),
        };
        let message = format!("failed to create typed patch object ({name}; {kind}): {problems}");
        Self::new(500, "", message)
    }

    /// The object was changed since the caller read it.
    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.details = Some(json!({}));
        error
    }

    /// A verb that custom kinds or their subresources do not have.
    pub(crate) fn method_not_supported(resource: &Resource, verb: &str) -> Self {
        let message = format!(
            "{verb} is not supported on resources of kind {:?}",
            resource.qualified()
        );
        let mut error = Self::new(405, "MethodNotAllowed", message);
        error.details = Some(json!({ "group": resource.group, "kind": resource.plural }));
        error
    }

    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn not_acceptable(offered: &[&str]) -> Self {
        let message = format!("only the following media types are accepted: {}", offered.join(", "));
        Self::new(406, "NotAcceptable", message)
    }

    /// What was watched or continued is no longer in the history.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {why}"))
    }

    /// An object that breaks the rules of its kind.
    pub(crate) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        let mut error = Self::invalid_by_name(&resource.qualified_kind(), name, causes);
        if let Some(details) = &mut error.details {
            if !resource.group.is_empty() {
                details["group"] = json!(resource.group);
            }
            details["kind"] = json!(resource.kind);
        }
        error
    }

    /// An update of a kind that wants the version it replaces, without one.
    pub(crate) fn version_required(resource: &Resource, name: &str) -> Self {
        let cause = Cause::new(
            "FieldValueInvalid",
            "metadata.resourceVersion",
            "Invalid value: 0: must be specified for an update".to_owned(),
        );
        let mut error = Self::invalid_by_name(&resource.qualified(), name, &[cause]);
        if let Some(details) = &mut error.details {
            details["group"] = json!(resource.group);
            details["kind"] = json!(resource.plural);
        }
        error
    }

    fn invalid_by_name(kind: &str, name: &str, causes: &[Cause]) -> Self {
        let mut messages: Vec<String> = Vec::with_capacity(causes.len());
        for message in causes.iter().map(Cause::message) {
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        let list = match messages.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.body, "field": cause.field}))
            .collect();
        let mut details = json!({ "causes": causes });
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("{kind} {name:?} is invalid: {list}"),
            details: Some(details),
        }
    }

    /// The `Status` object.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status["code"] = json!(self.code);
        status
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// Name, group and (plural) kind, as in the details of most answers.
pub(crate) fn details(resource: &Resource, name: &str) -> Value {
    let mut details = json!({ "name": name });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    details["kind"] = json!(resource.plural);
    details
}
