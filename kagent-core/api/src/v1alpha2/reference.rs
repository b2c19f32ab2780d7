//! References from one object to another, by kind and name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to an object that may be in another namespace.
///
/// An empty kind or group means what the field that holds the reference says.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedReference {
    /// Kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// API group of the object, without a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Name of the object.
    #[serde(default)]
    #[schemars(!default)]
    pub name: String,
    /// Namespace of the object; the referring object's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A reference to an object in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedLocalReference {
    /// Kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// API group of the object, without a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Name of the object.
    #[serde(default)]
    #[schemars(!default)]
    pub name: String,
}
