//! Label and field selectors of lists: parsed or refused with 400, never a fault.
#![no_main]

use std::sync::LazyLock;

use kagent_fuzz::{Kube, encode};
use libfuzzer_sys::fuzz_target;

static KUBE: LazyLock<Kube> = LazyLock::new(Kube::new);

fuzz_target!(|data: &[u8]| {
    for parameter in ["labelSelector", "fieldSelector", "continue"] {
        let path = format!("/api/v1/namespaces?{parameter}={}", encode(data));
        let (code, answer) = KUBE.call("GET", &path, "application/json", b"");
        assert!(code.is_success() || code == 400 || code == 410, "{answer}");
    }
});
