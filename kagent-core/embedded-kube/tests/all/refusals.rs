//! What is refused, and in which words.

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{config_map, config_maps, refusal, server, widget_kind};

#[tokio::test]
async fn refusals_have_the_apis_own_words() {
    let client = server().client();
    let api = config_maps(&client);
    let status = refusal(api.get("nope").await);
    assert_eq!(
        (status.code, status.reason.as_str(), status.message.as_str()),
        (404, "NotFound", "configmaps \"nope\" not found")
    );

    api.create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let status = refusal(api.create(&PostParams::default(), &config_map("a", &[])).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (409, "configmaps \"a\" already exists")
    );

    let lost: Api<ConfigMap> = Api::namespaced(client.clone(), "lost");
    let status = refusal(lost.create(&PostParams::default(), &config_map("a", &[])).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (404, "namespaces \"lost\" not found")
    );

    let status = refusal(api.create(&PostParams::default(), &config_map("Bad_Name", &[])).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(
        status.message,
        "ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );

    let unknown: Api<kube::core::DynamicObject> = Api::namespaced_with(client, "default", &widget_kind("v1"));
    let status = refusal(unknown.list(&ListParams::default()).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (404, "the server could not find the requested resource")
    );
}

#[tokio::test]
async fn what_is_not_supported_is_refused_with_a_status() {
    let client = server().client();
    config_maps(&client)
        .create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let cases = [
        ("GET", "/openapi/v2", 404),
        ("GET", "/apis/batch/v1/jobs", 404),
        ("GET", "/api/v1/namespaces/default/pods/p/log", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/scale", 404),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/configmaps?labelSelector=a%20b", 400),
        ("GET", "/api/v1/configmaps?fieldSelector=data.x%3D1", 400),
        ("GET", "/api/v1/configmaps?resourceVersion=999999", 504),
        ("GET", "/api/v1/configmaps?continue=x", 400),
        ("POST", "/api/v1/namespaces/default/configmaps?dryRun=Some", 422),
    ];
    for (method, path, code) in cases {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(b"{}".to_vec())
            .expect("a request");
        let status = refusal(client.request::<serde_json::Value>(request).await);
        assert_eq!(status.code, code, "{method} {path}: {}", status.message);
        assert!(
            !status.reason.is_empty() && !status.message.is_empty(),
            "{method} {path}"
        );
    }
    let yaml = http::Request::get("/api/v1/configmaps")
        .header("accept", "application/yaml")
        .body(Vec::new())
        .expect("a request");
    assert_eq!(refusal(client.request::<serde_json::Value>(yaml).await).code, 406);
}

#[tokio::test]
async fn a_stale_writer_gets_a_conflict() {
    let client = server().client();
    let api = config_maps(&client);
    let old = api
        .create(&PostParams::default(), &config_map("a", &[("k", "1")]))
        .await
        .expect("created");
    let mut new = old.clone();
    new.data = Some([("k".to_owned(), "2".to_owned())].into());
    api.replace("a", &PostParams::default(), &new).await.expect("replaced");
    let status = refusal(api.replace("a", &PostParams::default(), &old).await);
    assert_eq!(status.code, 409);
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
}

#[tokio::test]
async fn strategic_merge_elsewhere_is_refused_with_415() {
    let client = server().client();
    let api: Api<Service> = Api::namespaced(client, "default");
    let status = refusal(
        api.patch("s", &PatchParams::default(), &Patch::Strategic(json!({})))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (415, "UnsupportedMediaType"));
    assert_eq!(
        status.message,
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );
}
