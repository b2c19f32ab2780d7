//! Values that are written in place or read from a key of a ConfigMap or Secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules;

/// A named value: given in place, or by where to find it. Exactly one of the two.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "(has(self.value) && !has(self.valueFrom)) || (!has(self.value) && has(self.valueFrom))",
    "Exactly one of value or valueFrom must be specified",
)])))]
pub struct ValueRef {
    /// Name of the value, for example of a header.
    #[serde(default)]
    #[schemars(!default)]
    pub name: String,
    /// The value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where to find the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueSource {
    /// Which kind of object holds the value.
    #[serde(rename = "type", default)]
    #[schemars(!default)]
    pub type_: ValueSourceType,
    /// Name of the ConfigMap or Secret.
    #[serde(default)]
    #[schemars(!default, length(max = 253))]
    pub name: String,
    /// Key inside the ConfigMap or Secret.
    #[serde(default)]
    #[schemars(!default, length(max = 253))]
    pub key: String,
}

/// The kinds of object that can hold a value.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ValueSourceType {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
    /// A value that this version does not know, or nothing (empty).
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

impl Default for ValueSourceType {
    /// Nothing: there is no default kind.
    fn default() -> Self {
        Self::Other(String::new())
    }
}
