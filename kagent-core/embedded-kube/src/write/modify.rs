//! Changing objects: replace, JSON patch, merge patch, server-side apply; on the object or on its status.

use serde_json::{Value, json};

use super::admit;
use crate::{
    core::{Core, Target, WriteOptions, Written},
    managed::{Writer, apply, track_update},
    metadata,
    patch::{json_patch, merge_patch, strategic_patch},
    resource::text,
    status::{ApiError, ApiResult, Cause},
    storage::{Expect, Object, Refused, revision_of},
};

/// The body of a PATCH, by content type.
#[derive(Clone, Debug)]
pub(crate) enum PatchBody {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply(Value),
}

impl Core {
    /// Replaces an object by the one that a client sent.
    pub(crate) fn replace(&self, target: &Target, object: &Value, options: &WriteOptions) -> ApiResult<Written> {
        let sent = text(object, &["metadata", "resourceVersion"]);
        if sent.is_empty() && !target.resource.allows_unconditional_update() {
            let cause = Cause {
                reason: "FieldValueInvalid",
                field: "metadata.resourceVersion".to_owned(),
                body: "Invalid value: 0: must be specified for an update".to_owned(),
            };
            self.get(target)?;
            return Err(ApiError::invalid(&target.resource, &target.name, &[cause]));
        }
        self.modify(target, options, false, |_| Ok(object.clone()))
    }

    /// Patches an object; an apply creates it if it is not there.
    pub(crate) fn patch(&self, target: &Target, patch: &PatchBody, options: &WriteOptions) -> ApiResult<Written> {
        match patch {
            PatchBody::Json(patch) => self.modify(target, options, false, |live| json_patch(live, patch)),
            PatchBody::Merge(patch) => self.modify(target, options, false, |live| Ok(merge_patch(live, patch))),
            PatchBody::Strategic(patch) => self.modify(target, options, false, |live| strategic_patch(live, patch)),
            PatchBody::Apply(config) => self.apply(target, config, options),
        }
    }

    fn apply(&self, target: &Target, config: &Value, options: &WriteOptions) -> ApiResult<Written> {
        if !config["metadata"]["managedFields"].is_null() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        for (field, expected) in [("apiVersion", &target.api_version()), ("kind", &target.resource.kind)] {
            let found = text(config, &[field]);
            if found != expected {
                return Err(ApiError::bad_request(format!(
                    "{field} of the applied configuration is {found:?}, expected {expected:?}"
                )));
            }
        }
        let name = text(config, &["metadata", "name"]);
        if !name.is_empty() && name != target.name {
            return Err(name_mismatch(name, &target.name));
        }
        let api_version = target.api_version();
        let now = self.clock.stamp();
        let writer = Writer {
            manager: &options.manager,
            api_version: &api_version,
            subresource: &target.subresource,
            now: &now,
        };
        let schema = &target.version().schema;
        let has_status = target.version().status;
        loop {
            if self.storage.find(&target.resource.id(), &target.key()).is_some() {
                return self.modify(target, options, true, |live| {
                    let mut object = apply(schema, Some(live), config, &writer, has_status, options.force)?;
                    // A version or uid in the configuration is a precondition.
                    for field in ["resourceVersion", "uid"] {
                        if let Some(value) = config["metadata"].get(field).filter(|value| !value.is_null()) {
                            object["metadata"][field] = value.clone();
                        }
                    }
                    Ok(object)
                });
            }
            if !target.subresource.is_empty() {
                return Err(target.not_found());
            }
            if !text(config, &["metadata", "uid"]).is_empty()
                || !text(config, &["metadata", "resourceVersion"]).is_empty()
            {
                return Err(ApiError::conflict(
                    &target.resource,
                    &target.name,
                    "the object to be applied was deleted: uid or resourceVersion is given, but it does not exist",
                ));
            }
            let mut object = apply(schema, None, config, &writer, has_status, options.force)?;
            object["metadata"]["name"] = json!(target.name);
            let warnings = admit::decode(target, &mut object, options.validation)?;
            match self.finish_create(target, object, options, false, warnings) {
                // Somebody was faster: apply to what is there now.
                Err(error) if error.reason == "AlreadyExists" => {}
                other => return other,
            }
        }
    }

    /// Reads, lets `change` make the new object, checks and stores it; again if somebody else was faster.
    fn modify(
        &self,
        target: &Target,
        options: &WriteOptions,
        applied: bool,
        change: impl Fn(&Value) -> ApiResult<Value>,
    ) -> ApiResult<Written> {
        loop {
            let live = self.get(target)?;
            let live_value = target.present(&live);
            let object = change(&live_value)?;
            let conditional = check_preconditions(target, &object, &live)?;
            let name = text(&object, &["metadata", "name"]);
            if name != target.name {
                return Err(name_mismatch(name, &target.name));
            }
            match self.finish_modify(target, options, applied, &live, &live_value, object)? {
                Ok(written) => return Ok(written),
                Err(Refused::Unexpected) if conditional => {
                    return Err(ApiError::modified(&target.resource, &target.name));
                }
                Err(Refused::Unexpected) => {}
                Err(refused) => return Err(self.refusal(target, &target.name, refused)),
            }
        }
    }

    fn finish_modify(
        &self,
        target: &Target,
        options: &WriteOptions,
        applied: bool,
        live: &Object,
        live_value: &Value,
        mut object: Value,
    ) -> ApiResult<Result<Written, Refused>> {
        let resource = &target.resource;
        let now = self.clock.stamp();
        let warnings = admit::decode(target, &mut object, options.validation)?;
        if target.subresource == "status" {
            let status = object.get("status").cloned();
            let managed = object["metadata"]["managedFields"].clone();
            object = live_value.clone();
            set_or_remove(&mut object, "status", status);
            if !managed.is_null() {
                object["metadata"]["managedFields"] = managed;
            }
        } else if target.version().status {
            set_or_remove(&mut object, "status", live_value.get("status").cloned());
        }
        metadata::prepare_update(resource, &mut object, live_value)?;
        if !applied {
            let api_version = target.api_version();
            let writer = Writer {
                manager: &options.manager,
                api_version: &api_version,
                subresource: &target.subresource,
                now: &now,
            };
            track_update(&target.version().schema, Some(live_value), &mut object, &writer);
        }
        admit::validate(target, &object, Some(live_value))?;
        let definition = self.accept_definition(resource, &mut object, &now, false, options)?;
        object["metadata"]["resourceVersion"] = live_value["metadata"]["resourceVersion"].clone();
        if same(&object, live_value) {
            return Ok(Ok(Written {
                object: live_value.clone(),
                created: false,
                warnings,
            }));
        }
        if options.dry_run {
            return Ok(Ok(Written {
                object,
                created: false,
                warnings,
            }));
        }
        object["apiVersion"] = json!(resource.api_version(&resource.storage_version().name));
        let ends = live_value["metadata"]["deletionTimestamp"].is_string() && !metadata::has_finalizers(&object);
        let stored = match self.storage.put(resource, object, Expect::Revision(live.revision)) {
            Ok(stored) => stored,
            Err(refused) => return Ok(Err(refused)),
        };
        self.definition_changed(definition);
        if ends {
            self.finish_deletion(resource, &stored);
        } else {
            self.collect_if_orphan(resource, &stored);
        }
        Ok(Ok(Written {
            object: target.present(&stored),
            created: false,
            warnings,
        }))
    }
}

/// Whether the writer named the version it expects; 409 if that is not the one that is there.
fn check_preconditions(target: &Target, object: &Value, live: &Object) -> ApiResult<bool> {
    let uid = text(object, &["metadata", "uid"]);
    if !uid.is_empty() && uid != live.uid() {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            live.uid()
        );
        return Err(ApiError::conflict(&target.resource, &target.name, &why));
    }
    let version = text(object, &["metadata", "resourceVersion"]);
    if version.is_empty() {
        return Ok(false);
    }
    if version.parse::<u64>().is_err() {
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            &json!(version),
            "must be an unsigned integer",
        );
        return Err(ApiError::invalid(&target.resource, &target.name, &[cause]));
    }
    if revision_of(object) != live.revision {
        return Err(ApiError::modified(&target.resource, &target.name));
    }
    Ok(true)
}

fn name_mismatch(found: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the name of the object ({found}) does not match the name on the URL ({expected})"
    ))
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            fields.insert(field.to_owned(), value);
        }
        None => {
            fields.shift_remove(field);
        }
    }
}

/// Whether nothing changed but the times in `managedFields`.
fn same(new: &Value, old: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object.clone();
        for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("time");
            }
        }
        object
    };
    plain(new) == plain(old)
}
