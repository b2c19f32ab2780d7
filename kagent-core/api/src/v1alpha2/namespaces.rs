//! Which other namespaces may refer to an object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules;

/// The namespaces whose agents may refer to the object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!(self.from == 'Selector' && !has(self.selector))",
    "selector must be specified when from is Selector",
)])))]
pub struct AllowedNamespaces {
    /// How the namespaces are chosen; the object's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Same"))]
    pub from: Option<FromNamespaces>,
    /// Labels of the namespaces, when `from` is `Selector`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum FromNamespaces {
    /// Every namespace.
    All,
    /// Only the object's own namespace.
    #[default]
    Same,
    /// The namespaces that a selector matches.
    Selector,
    /// A value that this version does not know. Treat it as `Same`.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
