//! What becomes of ModelProviderConfigs: models of all pages, errors that are told, and models that stay meanwhile.

use axum::{
    Json, Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::get,
};
use k8s_openapi::api::core::v1::Secret;
use kagent_core::{
    api::v1alpha2::{ModelProviderConfig, ModelProviderConfigStatus},
    leader::Leadership,
};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{discovery::serve, world::World};

/// Anthropic's API with the key `good`: two pages.
async fn serve_anthropic() -> String {
    let answer = |headers: HeaderMap, Query(query): Query<std::collections::HashMap<String, String>>| async move {
        let has_key = headers.get("x-api-key").is_some_and(|key| key == "good");
        if !has_key || !headers.contains_key("anthropic-version") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        Json(match query.get("after_id").map(String::as_str) {
            None => json!({"data": [{"id": "one"}], "has_more": true, "last_id": "one"}),
            Some("one") => json!({"data": [{"id": "two"}], "has_more": false}),
            Some(other) => panic!("asked for the page after {other}"),
        })
        .into_response()
    };
    serve(Router::new().route("/v1/models", get(answer))).await
}

fn ready(config: &ModelProviderConfig) -> Option<(String, String)> {
    let conditions = config.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|it| it.type_ == "Ready")?;
    Some((found.reason.clone(), found.message.clone()))
}

impl World {
    async fn wait_for_provider(&self, reason: &str) -> (String, ModelProviderConfigStatus) {
        let found = self
            .wait_for::<ModelProviderConfig>("account", reason, |config| {
                config.is_some_and(|config| ready(config).is_some_and(|it| it.0 == reason))
            })
            .await
            .expect("config");
        (ready(&found).expect("Ready").1, found.status.expect("status"))
    }

    async fn set_key(&self, key: &str) {
        let patch = Patch::Merge(json!({"stringData": {"key": key}}));
        let secrets = self.api::<Secret>();
        secrets
            .patch("account-key", &PatchParams::default(), &patch)
            .await
            .expect("patched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_found_with_the_key_and_stay_when_it_is_refused() {
    let world = World::start(Leadership::Leader).await;
    let endpoint = serve_anthropic().await;
    world
        .create::<ModelProviderConfig>(json!({
            "metadata": {"name": "account"},
            "spec": {"type": "Anthropic", "endpoint": endpoint, "secretRef": {"name": "account-key"}},
        }))
        .await;
    let (message, _) = world.wait_for_provider("SecretNotFound").await;
    assert!(message.contains("account-key"), "{message}");

    world
        .create::<Secret>(json!({"metadata": {"name": "account-key"}, "stringData": {"key": "good"}}))
        .await;
    let (_, status) = world.wait_for_provider("Ready").await;
    let models = ["one".to_owned(), "two".to_owned()];
    assert_eq!(status.discovered_models.as_deref(), Some(&models[..]));
    assert_eq!(status.model_count, Some(2));

    // A rotated key is tried at once; what was found before stays.
    world.set_key("bad").await;
    let (message, status) = world.wait_for_provider("DiscoveryFailed").await;
    assert_eq!(message, "the provider does not accept the key (401)");
    assert_eq!(status.discovered_models.as_deref(), Some(&models[..]));

    world.set_key("good").await;
    world.wait_for_provider("Ready").await;
    world.stop().await;
}
