//! A manifest file of standalone mode: whatever it holds, each problem is one line that names the file.
#![no_main]

use kagent_core::standalone::lint_manifests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for problem in lint_manifests("agent.yaml", text) {
        assert!(problem.starts_with("agent.yaml: "), "{problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
});
