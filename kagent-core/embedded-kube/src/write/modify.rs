//! Changing objects: replace, JSON patch, merge patch, server-side apply; on the object or on its status.

use serde_json::{Value, json};

use super::admit::{self, Undecodable};
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

/// How an object is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Replace,
    Patch,
    Apply,
}

impl Core {
    /// Replaces an object by the one that a client sent.
    pub(crate) fn replace(&self, target: &Target, object: &Value, options: &WriteOptions) -> ApiResult<Written> {
        let sent = text(object, &["metadata", "resourceVersion"]);
        if sent.is_empty() && !target.resource.allows_unconditional_update() {
            self.get(target)?;
            return Err(ApiError::version_required(&target.resource, &target.name));
        }
        self.modify(target, options, Way::Replace, |_| Ok(object.clone()))
    }

    /// Patches an object; an apply creates it if it is not there.
    pub(crate) fn patch(&self, target: &Target, patch: &PatchBody, options: &WriteOptions) -> ApiResult<Written> {
        match patch {
            PatchBody::Json(patch) => self.modify(target, options, Way::Patch, |live| json_patch(live, patch)),
            PatchBody::Merge(patch) => self.modify(target, options, Way::Patch, |live| Ok(merge_patch(live, patch))),
            PatchBody::Strategic(patch) => {
                self.modify(target, options, Way::Patch, |live| strategic_patch(live, patch))
            }
            PatchBody::Apply(config) => self.apply(target, config, options),
        }
    }

    fn apply(&self, target: &Target, config: &Value, options: &WriteOptions) -> ApiResult<Written> {
        if !config["metadata"]["managedFields"].is_null() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let (version, kind) = (text(config, &["apiVersion"]), text(config, &["kind"]));
        if version != target.api_version() || kind != target.resource.kind {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            return Err(ApiError::bad_request(format!(
                "invalid object type: {group}/{version}, Kind={kind}"
            )));
        }
        check_namespace(target, config)?;
        admit::check_applied(target, config)?;
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
                return self.modify(target, options, Way::Apply, |live| {
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
            let uid = text(config, &["metadata", "uid"]);
            if !uid.is_empty() {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(ApiError::conflict(&target.resource, &target.name, &why));
            }
            let mut object = apply(schema, None, config, &writer, has_status, options.force)?;
            object["metadata"]["name"] = json!(target.name);
            let warnings = admit::decode(target, &mut object, options).map_err(|why| why.into_error(target))?;
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
        way: Way,
        change: impl Fn(&Value) -> ApiResult<Value>,
    ) -> ApiResult<Written> {
        loop {
            let live = self.get(target)?;
            let live_value = target.present(&live);
            let object = change(&live_value)?;
            check_namespace(target, &object)?;
            let conditional = check_preconditions(target, &object, &live, way)?;
            let name = text(&object, &["metadata", "name"]);
            if name != target.name {
                return Err(name_mismatch(name, &target.name));
            }
            match self.finish_modify(target, options, way, &live, &live_value, object)? {
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
        way: Way,
        live: &Object,
        live_value: &Value,
        mut object: Value,
    ) -> ApiResult<Result<Written, Refused>> {
        let resource = &target.resource;
        let now = self.clock.stamp();
        let warnings = match admit::decode(target, &mut object, options) {
            Err(Undecodable::UnknownFields(why) | Undecodable::Malformed(why)) if way == Way::Patch => {
                return Err(ApiError::invalid_patch(&object, &why));
            }
            other => other.map_err(|why| why.into_error(target))?,
        };
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
        if way != Way::Apply {
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
            admit::store_as(target, &mut object);
            object["apiVersion"] = json!(target.api_version());
            return Ok(Ok(Written {
                object,
                created: false,
                warnings,
            }));
        }
        admit::store_as(target, &mut object);
        if live_value["metadata"]["deletionTimestamp"].is_string() && !metadata::has_finalizers(&object) {
            // The last finalizer is gone: nobody sees a state without one, only the end.
            return match self.end(resource, live) {
                Ok(()) => {
                    object["apiVersion"] = json!(target.api_version());
                    Ok(Ok(Written {
                        object,
                        created: false,
                        warnings,
                    }))
                }
                Err(refused) => Ok(Err(refused)),
            };
        }
        let stored = match self.storage.put(resource, object, Expect::Revision(live.revision)) {
            Ok(stored) => stored,
            Err(refused) => return Ok(Err(refused)),
        };
        self.definition_changed(definition);
        self.collect_if_orphan(resource, &stored);
        Ok(Ok(Written {
            object: target.present(&stored),
            created: false,
            warnings,
        }))
    }
}

/// Whether the writer named the version it expects; 409 if that is not the one that is there.
fn check_preconditions(target: &Target, object: &Value, live: &Object, way: Way) -> ApiResult<bool> {
    let uid = text(object, &["metadata", "uid"]);
    if !uid.is_empty() && uid != live.uid() {
        if way != Way::Replace {
            let cause = Cause::invalid("metadata.uid", &json!(uid), "field is immutable");
            // Two checks of the API server find it.
            let causes = [cause.clone(), cause];
            return Err(ApiError::invalid(&target.resource, &target.name, &causes));
        }
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

/// The namespace in the object is that of the path, or none.
fn check_namespace(target: &Target, object: &Value) -> ApiResult<()> {
    let sent = text(object, &["metadata", "namespace"]);
    if target.resource.namespaced && !sent.is_empty() && sent != target.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
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
