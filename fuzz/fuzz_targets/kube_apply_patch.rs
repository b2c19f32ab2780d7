//! Server-side apply by two managers: applying the same twice changes nothing, and giving everything up leaves nothing.
#![no_main]

use std::sync::LazyLock;

use kagent_fuzz::Kube;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static KUBE: LazyLock<Kube> = LazyLock::new(Kube::new);
const PATH: &str = "/apis/example.com/v1/namespaces/default/widgets/w";

fuzz_target!(|data: &[u8]| {
    let Ok(spec) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let config = |spec: &Value| {
        json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": spec })
            .to_string()
    };
    let apply = |manager: &str, spec: &Value| {
        let path = format!("{PATH}?fieldManager={manager}&force=true");
        KUBE.call("PATCH", &path, "application/apply-patch+yaml", config(spec).as_bytes())
    };
    let (code, first) = apply("one", &spec);
    if code.is_success() {
        let (_, second) = apply("one", &spec);
        assert_eq!(
            first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"],
            "not repeatable"
        );
        apply("two", &json!({ "size": 9, "parts": [{ "name": "a" }] }));
        let (code, answer) = apply("one", &json!({}));
        assert!(code.is_success(), "{answer}");
    }
    KUBE.call("DELETE", PATH, "application/json", b"");
});
