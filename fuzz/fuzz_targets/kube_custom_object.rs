//! Objects of a custom kind through pruning, defaults, validation and CEL; then any bytes as each kind of patch.
#![no_main]

use std::sync::LazyLock;

use kagent_fuzz::Kube;
use libfuzzer_sys::fuzz_target;

static KUBE: LazyLock<Kube> = LazyLock::new(Kube::new);
const PATH: &str = "/apis/example.com/v1/namespaces/default/widgets";

fuzz_target!(|data: &[u8]| {
    let (code, created) = KUBE.call("POST", PATH, "application/json", data);
    let name = if code.is_success() {
        created["metadata"]["name"].as_str().expect("a name").to_owned()
    } else {
        let plain = br#"{"metadata":{"name":"w"},"spec":{"parts":[{"name":"a"}],"tags":["x"]}}"#;
        KUBE.call("POST", PATH, "application/json", plain);
        "w".to_owned()
    };
    let object = format!("{PATH}/{name}");
    for content_type in ["application/merge-patch+json", "application/json-patch+json"] {
        KUBE.call("PATCH", &object, content_type, data);
    }
    KUBE.call("PUT", &object, "application/json", data);
    KUBE.call("DELETE", &object, "application/json", b"");
});
