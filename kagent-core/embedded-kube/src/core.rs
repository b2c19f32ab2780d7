//! What all requests share: the objects, the clock and the settings. Holds no connection and no request.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    clock::Clock,
    resource::{Registry, Resource, Version, text},
    status::{ApiError, ApiResult, details},
    storage::{Object, ObjectKey, Refused, Storage},
};

/// The server behind all listeners and clients.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    /// Whether dependents of deleted owners are deleted.
    pub(crate) collects_garbage: bool,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Version named in the path; served, as [`Registry::resolve`] has checked.
    pub(crate) version: String,
    /// Empty for cluster-scoped kinds, and for requests over all namespaces.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `status` or empty.
    pub(crate) subresource: String,
}

impl Target {
    pub(crate) fn version(&self) -> &Version {
        self.resource
            .version(&self.version)
            .unwrap_or_else(|| self.resource.storage_version())
    }

    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.version)
    }

    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// A stored object in the version of the request.
    pub(crate) fn present(&self, object: &Object) -> Value {
        let mut value = object.value.clone();
        if !self.is_stored_form() {
            value["apiVersion"] = json!(self.api_version());
        }
        value
    }

    /// Whether stored objects can be given out as they are.
    pub(crate) fn is_stored_form(&self) -> bool {
        self.resource.storage_version().name == self.version
    }

    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.resource, &self.name)
    }
}

/// How a write is to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    /// Name of the field manager.
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) validation: FieldValidation,
    /// Paths of fields that the body had twice.
    pub(crate) duplicate_fields: Vec<String>,
    /// A definition comes from the program itself: its patterns and rules are compiled when they are first used.
    pub(crate) trusts_definition: bool,
}

/// What happens to fields that the schema does not know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The result of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) created: bool,
    /// Texts for `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

impl Core {
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.storage.registry()
    }

    pub(crate) fn get(&self, target: &Target) -> ApiResult<Arc<Object>> {
        self.storage
            .find(&target.resource.id(), &target.key())
            .ok_or_else(|| target.not_found())
    }

    /// Words the refusal of a write.
    pub(crate) fn refusal(&self, target: &Target, name: &str, refused: Refused) -> ApiError {
        match refused {
            Refused::Unexpected => ApiError::already_exists(&target.resource, name),
            Refused::NoNamespace => {
                let mut error = ApiError::new(404, "NotFound", format!("namespaces {:?} not found", target.namespace));
                error.details = Some(json!({ "name": target.namespace, "kind": "namespaces" }));
                error
            }
            Refused::NamespaceTerminating => {
                let why = format!(
                    "unable to create new content in namespace {} because it is being terminated",
                    target.namespace
                );
                let mut error = ApiError::forbidden(&target.resource, name, &why);
                let mut extended = details(&target.resource, name);
                extended["causes"] = json!([{
                    "reason": "NamespaceTerminating",
                    "message": format!("namespace {} is being terminated", target.namespace),
                    "field": "metadata.namespace",
                }]);
                error.details = Some(extended);
                error
            }
            Refused::Failed(error) => error,
        }
    }

    /// Reads the definitions among the stored objects, after a restart.
    pub(crate) fn load_definitions(&self) -> Result<(), (String, String)> {
        let crds = self
            .storage
            .select(|id, _| id.group == "apiextensions.k8s.io" && id.plural == crate::resource::CRDS);
        for (_, crd) in crds {
            let resource = crate::resource::parse_crd(&crd.value, false).map_err(|causes| {
                let name = text(&crd.value, &["metadata", "name"]).to_owned();
                (name, causes.first().map(|cause| cause.body.clone()).unwrap_or_default())
            })?;
            self.storage
                .update_registry(|registry| registry.insert(Arc::new(resource)));
        }
        Ok(())
    }
}
