//! The recorded A2A answers of the Go controller, replayed against ours: all the same, or meant.

use std::path::Path;

use kagent_tests::replay::{
    a2a::{Scope, replay},
    meant::MeantList,
};

/// Areas that are served; later issues extend the list.
const AREAS: [&str; 14] = [
    "agent-error",
    "agent-http",
    "auth",
    "base-url",
    "cards",
    "debug-addr",
    "envelope",
    "headers",
    "hop",
    "lifecycle",
    "methods",
    "routes",
    "stream",
    "version",
];

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_0_3_get_the_recorded_answers() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let scope = Scope {
        areas: AREAS.map(str::to_owned).to_vec(),
        wire: Some("0.3".to_owned()),
        ..Scope::default()
    };
    let meant = MeantList::read(&recordings.join("meant.toml")).expect("meant.toml");
    let report = replay(&recordings.join("a2a"), &scope, &meant).await.expect("replay");
    assert!(
        report.cases.len() > 300,
        "only {} cases were replayed",
        report.cases.len()
    );
    assert!(report.list_different().is_empty(), "{}", report.to_text());
}
