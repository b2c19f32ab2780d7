//! Amazon Bedrock. Which variables there are is told by the keys of the Secret.

use k8s_openapi::api::core::v1::Secret;
use kagent_api::{
    adk,
    v1alpha2::{CacheTtl, ModelConfigSpec},
};
use serde_json::{Map, Number, Value};

use super::{
    super::{
        pod::{literal_env, secret_env},
        resolved::PodNeeds,
    },
    passes_key_through,
};

const BEARER: &str = "AWS_BEARER_TOKEN_BEDROCK";
const SESSION: &str = "AWS_SESSION_TOKEN";

/// The part of `config.json`, and the variables of the AWS client.
///
/// # Errors
/// When the provider's block or its Secret is missing, or the additional fields are no object.
pub(super) fn resolve(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    secret: Option<&Secret>,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.bedrock else {
        return Err("bedrock model config is required".to_owned());
    };
    needs.env.push(literal_env("AWS_REGION", &options.region));
    let name = spec.api_key_secret.as_deref().unwrap_or_default();
    if !name.is_empty() && !passes_key_through(spec) {
        let secret =
            secret.ok_or_else(|| format!("failed to get Bedrock credentials secret: Secret {name:?} not found"))?;
        let has = |key: &str| secret.data.as_ref().is_some_and(|data| data.contains_key(key));
        let mut keys = vec!["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        if has(BEARER) {
            keys = vec![BEARER];
        } else if has(SESSION) {
            keys.push(SESSION);
        }
        needs.env.extend(keys.into_iter().map(|key| secret_env(key, name, key)));
    }
    let additional = match &options.additional_model_request_fields {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => sort_object(fields),
        Some(_) => return Err("bedrock additionalModelRequestFields must be a JSON object".to_owned()),
    };
    Ok(adk::Model::Bedrock(adk::Bedrock {
        base,
        region: options.region.clone(),
        additional_model_request_fields: additional,
        prompt_caching: options.prompt_caching.unwrap_or_default(),
        cache_ttl: match &options.cache_ttl {
            None => String::new(),
            Some(CacheTtl::FiveMinutes) => "5m".to_owned(),
            Some(CacheTtl::OneHour) => "1h".to_owned(),
            Some(CacheTtl::Other(other)) => other.clone(),
        },
    }))
}

/// As Go writes free-form JSON: keys sorted by bytes, every number a 64-bit float.
fn sort_object(object: &Map<String, Value>) -> Map<String, Value> {
    let mut keys: Vec<_> = object.keys().collect();
    keys.sort();
    keys.into_iter()
        .map(|key| (key.clone(), sort_value(&object[key])))
        .collect()
}

fn sort_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(sort_object(object)),
        Value::Array(list) => list.iter().map(sort_value).collect(),
        Value::Number(number) => {
            let float = number.as_f64().and_then(Number::from_f64);
            Value::Number(float.unwrap_or_else(|| number.clone()))
        }
        other => other.clone(),
    }
}
