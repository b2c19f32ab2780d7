//! What the fuzz targets share: an embedded Kubernetes API with one custom kind, called without a network.

use bytes::Bytes;
use embedded_kube::EmbeddedKube;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A server and the runtime it is called on.
pub struct Kube {
    runtime: tokio::runtime::Runtime,
    server: EmbeddedKube,
}

impl Kube {
    /// A server with `Widget`, whose schema has defaults, list maps, free maps and rules.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let server = EmbeddedKube::builder().history(16).build().expect("a server in memory");
        let kube = Self { runtime, server };
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "widgets.example.com" },
            "spec": { "group": "example.com", "scope": "Namespaced", "names": { "kind": "Widget", "plural": "widgets" }, "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object",
                    "properties": {
                        "size": { "type": "integer", "default": 1, "maximum": 9 },
                        "quantity": { "x-kubernetes-int-or-string": true },
                        "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
                        "free": { "type": "object", "additionalProperties": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
                        "parts": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "count": { "type": "number" } } } },
                    },
                    "x-kubernetes-validations": [
                        { "rule": "!has(self.parts) || self.parts.all(p, size(p.name) < 9)" },
                        { "rule": "self.size >= oldSelf.size" },
                    ] } } } },
            }] },
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (code, answer) = kube.call("POST", path, "application/json", crd.to_string().as_bytes());
        assert_eq!(code, StatusCode::CREATED, "{answer}");
        kube
    }

    /// Sends one request. Whatever was sent, the answer is JSON and no fault of the server.
    pub fn call(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::copy_from_slice(body)))
            .expect("a request");
        self.runtime.block_on(async {
            let Ok(response) = self.server.service().oneshot(request).await;
            let code = response.status();
            let Ok(body) = response.into_body().collect().await;
            let answer: Value = serde_json::from_slice(&body.to_bytes()).expect("the answer is JSON");
            assert!(!code.is_server_error(), "{answer}");
            (code, answer)
        })
    }
}

impl Default for Kube {
    fn default() -> Self {
        Self::new()
    }
}

/// Percent-encodes every byte, so that any bytes make a valid query.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}
