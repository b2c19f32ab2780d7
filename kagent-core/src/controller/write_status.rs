//! Writes the status of an object, fields that are gone included. How a status comes about is each controller's own.

use std::fmt::Debug;

use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::dependencies::OwnerName;
use crate::{
    cluster::{apply::FIELD_MANAGER, fetch::within_deadline},
    error::{Error, ErrorKind, Result},
};

/// Makes `status` the status of the object, in place of `current`. Whether it was written; an object that is gone is no
/// error.
///
/// # Errors
/// When the API server does not take it.
pub(super) async fn write_status<K, S>(
    client: &Client,
    name: &OwnerName,
    current: Option<&S>,
    status: &S,
) -> Result<bool>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let api: Api<K> = Api::namespaced(client.clone(), &name.0);
    let patch = Patch::Merge(json!({ "status": build_patch(current, status)? }));
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let request = api.patch_status(&name.1, &parameters, &patch);
    match within_deadline("failed to update the status", request).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The new status, with `null` for what only the old one has.
fn build_patch<S: Serialize>(current: Option<&S>, status: &S) -> Result<Value> {
    let to_value = |status: &S| {
        serde_json::to_value(status)
            .map_err(|error| Error::internal("a status cannot be written as JSON").with_source(error))
    };
    let mut patch = to_value(status)?;
    if let (Some(Value::Object(old)), Value::Object(new)) = (current.map(to_value).transpose()?, &mut patch) {
        for (key, _) in old {
            new.entry(key).or_insert(Value::Null);
        }
    }
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_gone_are_removed() {
        let patch = build_patch(Some(&json!({"a": 1, "b": 2})), &json!({"b": 3})).expect("patch");
        assert_eq!(patch, json!({"b": 3, "a": null}));
    }
}
