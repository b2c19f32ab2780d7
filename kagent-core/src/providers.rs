//! Asks model providers which models they have. Knows their APIs, not Kubernetes objects. Keys are sent and never logged.

use std::{collections::HashSet, time::Duration};

use kagent_api::v1alpha2::ModelProvider;
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::error::{Error, Result, chain};

/// For the whole conversation.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of one answer.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
const MAX_PAGES: usize = 100;
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// The base URL that a provider has when none is given; `None` where there is no public one.
pub fn default_endpoint(provider: &ModelProvider) -> Option<&'static str> {
    match provider {
        ModelProvider::OpenAI => Some("https://api.openai.com/v1"),
        ModelProvider::Anthropic => Some("https://api.anthropic.com"),
        ModelProvider::Gemini => Some("https://generativelanguage.googleapis.com"),
        ModelProvider::Ollama => Some("http://localhost:11434"),
        _ => None,
    }
}

/// The models of a provider, in its order, each once.
///
/// # Errors
/// `Invalid` when the endpoint cannot be used, `Forbidden` when the key is refused, else `Unavailable`.
pub async fn list_models(provider: &ModelProvider, endpoint: &str, key: Option<&SecretString>) -> Result<Vec<String>> {
    match tokio::time::timeout(TIMEOUT, list_pages(provider, endpoint, key)).await {
        Ok(outcome) => outcome,
        Err(late) => {
            Err(Error::unavailable(format!("the provider did not answer within {TIMEOUT:?}")).with_source(late))
        }
    }
}

async fn list_pages(provider: &ModelProvider, endpoint: &str, key: Option<&SecretString>) -> Result<Vec<String>> {
    let url = models_url(provider, endpoint)?;
    let client = Client::builder()
        // A key is meant for this provider alone.
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| Error::internal("no HTTP client").with_source(error))?;
    let mut models = Vec::new();
    let mut seen = HashSet::new();
    let mut page = url.clone();
    for _ in 0..MAX_PAGES {
        let request = authenticate(client.get(page.clone()), provider, key);
        let answer = read_answer(request).await?;
        let found = list_ids(provider, &answer)?;
        models.extend(found.into_iter().filter(|id| seen.insert(id.clone())));
        let Some((name, cursor)) = next_page(&answer) else {
            return Ok(models);
        };
        page = url.clone();
        page.query_pairs_mut().append_pair(name, &cursor);
    }
    Err(Error::unavailable("the provider's list of models has no end"))
}

fn models_url(provider: &ModelProvider, endpoint: &str) -> Result<Url> {
    let base = match endpoint.strip_suffix('/').unwrap_or(endpoint) {
        "" => default_endpoint(provider).ok_or_else(|| {
            Error::invalid(format!(
                "provider {} has no public endpoint: set spec.endpoint",
                name_of(provider)
            ))
        })?,
        endpoint => endpoint,
    };
    let path = match provider {
        ModelProvider::Ollama => "/api/tags",
        ModelProvider::Gemini if base.contains("googleapis.com") => "/v1beta/models",
        ModelProvider::Gemini | ModelProvider::GeminiVertexAI | ModelProvider::AnthropicVertexAI => "/v1/models",
        _ if base.ends_with("/v1") => "/models",
        _ => "/v1/models",
    };
    let text = format!("{base}{path}");
    Url::parse(&text).map_err(|error| Error::invalid(format!("{text:?} is no URL: {error}")))
}

fn name_of(provider: &ModelProvider) -> String {
    serde_json::to_value(provider)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn authenticate(request: RequestBuilder, provider: &ModelProvider, key: Option<&SecretString>) -> RequestBuilder {
    let Some(key) = key.map(ExposeSecret::expose_secret) else {
        return request;
    };
    match provider {
        ModelProvider::Anthropic | ModelProvider::AnthropicVertexAI => request
            .header("x-api-key", key)
            .header("anthropic-version", ANTHROPIC_VERSION),
        ModelProvider::Gemini => request.header("x-goog-api-key", key),
        _ => request.bearer_auth(key),
    }
}

async fn read_answer(request: RequestBuilder) -> Result<Value> {
    let failed = |error: reqwest::Error| {
        // The URL may hold what the user would not want in a status; the cause says enough.
        let error = error.without_url();
        Error::unavailable(format!("the provider cannot be asked: {}", chain(&error))).with_source(error)
    };
    let mut response = request.send().await.map_err(failed)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(Error::forbidden("the provider does not accept the key (401)")),
        StatusCode::FORBIDDEN => return Err(Error::forbidden("the key may not list models (403)")),
        StatusCode::NOT_FOUND => return Err(Error::invalid("the endpoint has no list of models (404)")),
        other => {
            return Err(Error::unavailable(format!(
                "the provider answered with status {}",
                other.as_u16()
            )));
        }
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Error::unavailable("the provider's answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body)
        .map_err(|error| Error::unavailable("the provider's answer is no JSON").with_source(error))
}

/// `data[].id`, of Ollama and Gemini `models[].name`.
fn list_ids(provider: &ModelProvider, answer: &Value) -> Result<Vec<String>> {
    let list = |name: &str| answer.get(name).and_then(Value::as_array);
    let (elements, field) = match provider {
        ModelProvider::Ollama => (list("models"), "name"),
        ModelProvider::Gemini if list("models").is_some() => (list("models"), "name"),
        _ => (list("data"), "id"),
    };
    let Some(elements) = elements else {
        return Err(Error::unavailable("the provider's answer is no list of models"));
    };
    let names = elements.iter().filter_map(|element| element.get(field)?.as_str());
    Ok(names
        .map(|name| match provider {
            ModelProvider::Gemini => name.strip_prefix("models/").unwrap_or(name),
            _ => name,
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The query parameter that asks for the rest.
fn next_page(answer: &Value) -> Option<(&'static str, String)> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if answer.get("has_more").and_then(Value::as_bool) == Some(true) {
        return text("last_id").map(|id| ("after_id", id.to_owned()));
    }
    text("nextPageToken").map(|token| ("pageToken", token.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn urls_follow_the_provider_and_the_endpoint() {
        for (provider, endpoint, url) in [
            (ModelProvider::OpenAI, "", "https://api.openai.com/v1/models"),
            (ModelProvider::OpenAI, "http://gateway/", "http://gateway/v1/models"),
            (ModelProvider::Anthropic, "http://a/v1", "http://a/v1/models"),
            (
                ModelProvider::Gemini,
                "",
                "https://generativelanguage.googleapis.com/v1beta/models",
            ),
            (ModelProvider::Ollama, "http://o:11434", "http://o:11434/api/tags"),
        ] {
            assert_eq!(models_url(&provider, endpoint).expect("URL").as_str(), url);
        }
        let error = models_url(&ModelProvider::Bedrock, "").expect_err("has no public endpoint");
        assert!(error.message().contains("Bedrock"), "{error}");
    }

    #[test]
    fn every_form_of_list_is_read() {
        let ids = |provider, answer: Value| list_ids(&provider, &answer).expect("list");
        assert_eq!(
            ids(
                ModelProvider::OpenAI,
                json!({"data": [{"id": "a"}, {"id": ""}, {"x": 1}]})
            ),
            ["a"]
        );
        assert_eq!(
            ids(ModelProvider::Gemini, json!({"models": [{"name": "models/g"}]})),
            ["g"]
        );
        assert_eq!(
            ids(ModelProvider::Ollama, json!({"models": [{"name": "l:1"}]})),
            ["l:1"]
        );
        assert!(list_ids(&ModelProvider::OpenAI, &json!([])).is_err());
    }

    #[test]
    fn pages_are_followed_by_each_providers_cursor() {
        let anthropic = json!({"has_more": true, "last_id": "m9"});
        assert_eq!(next_page(&anthropic), Some(("after_id", "m9".to_owned())));
        let gemini = json!({"nextPageToken": "t"});
        assert_eq!(next_page(&gemini), Some(("pageToken", "t".to_owned())));
        assert_eq!(next_page(&json!({"has_more": false, "last_id": "m9"})), None);
    }
}
