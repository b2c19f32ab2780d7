//! Creating objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admit;
use crate::{
    core::{Core, Target, WriteOptions, Written},
    managed::{Writer, track_update},
    metadata,
    resource::{CRDS, Resource, accept_crd, text},
    status::{ApiError, ApiResult},
    storage::Expect,
};

impl Core {
    /// Creates an object that a client posted.
    pub(crate) fn create(&self, target: &Target, mut object: Value, options: &WriteOptions) -> ApiResult<Written> {
        let warnings = admit::decode(target, &mut object, options).map_err(|why| why.into_error(target))?;
        let sent = text(&object, &["metadata", "namespace"]);
        if target.resource.namespaced && !sent.is_empty() && sent != target.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if !text(&object, &["metadata", "resourceVersion"]).is_empty() {
            // The API server calls it its own error.
            let why = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(500, "", why));
        }
        self.finish_create(target, object, options, true, warnings)
    }

    /// The second half, also of an apply that creates: `track` says whether the writer becomes owner by update.
    pub(super) fn finish_create(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        track: bool,
        warnings: Vec<String>,
    ) -> ApiResult<Written> {
        let resource = &target.resource;
        let now = self.clock.stamp();
        if target.version().status
            && let Some(fields) = object.as_object_mut()
        {
            fields.shift_remove("status");
        }
        metadata::prepare_create(resource, &mut object, &target.namespace, &self.clock)?;
        if resource.is("", "namespaces") {
            let name = text(&object, &["metadata", "name"]).to_owned();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        if resource.is("", "services") {
            object["status"] = json!({ "loadBalancer": {} });
        }
        if track {
            let api_version = target.api_version();
            let writer = Writer {
                manager: &options.manager,
                api_version: &api_version,
                subresource: "",
                now: &now,
            };
            track_update(&target.version().schema, None, &mut object, &writer);
        }
        admit::validate(target, &object, None)?;
        let definition = self.accept_definition(resource, &mut object, &now, true, options)?;
        let name = text(&object, &["metadata", "name"]).to_owned();
        admit::store_as(target, &mut object);
        if options.dry_run {
            if self
                .storage
                .find(&resource.id(), &crate::storage::ObjectKey::of(&object))
                .is_some()
            {
                return Err(ApiError::already_exists(resource, &name));
            }
            object["apiVersion"] = json!(target.api_version());
            return Ok(Written {
                object,
                created: true,
                warnings,
            });
        }
        let stored = self
            .storage
            .put(resource, object, Expect::Absent)
            .map_err(|refused| self.refusal(target, &name, refused))?;
        self.definition_changed(definition);
        self.collect_if_orphan(resource, &stored);
        Ok(Written {
            object: target.present(&stored),
            created: true,
            warnings,
        })
    }

    /// Checks a CustomResourceDefinition and compiles the kind it defines; `None` for other kinds.
    pub(super) fn accept_definition(
        &self,
        resource: &Resource,
        object: &mut Value,
        now: &str,
        reset_status: bool,
        options: &WriteOptions,
    ) -> ApiResult<Option<Arc<Resource>>> {
        if !resource.is("apiextensions.k8s.io", CRDS) {
            return Ok(None);
        }
        let defined = accept_crd(resource, object, now, reset_status, !options.trusts_definition)?;
        let builtin = self.registry().find(&defined.id()).is_some_and(|known| !known.custom);
        if builtin || matches!(defined.group.as_str(), "apps" | "apiextensions.k8s.io") {
            let name = text(object, &["metadata", "name"]);
            return Err(ApiError::forbidden(resource, name, "the kind is built in"));
        }
        Ok(Some(defined))
    }

    /// Serves a kind from now on as its definition says.
    pub(super) fn definition_changed(&self, definition: Option<Arc<Resource>>) {
        if let Some(definition) = definition {
            self.storage.update_registry(|registry| registry.insert(definition));
        }
    }
}
