//! The recorded A2A answers of the Go controller, replayed against ours: all the same, or meant.

use std::path::Path;

use kagent_tests::replay::{
    a2a::{Scope, replay},
    areas::Areas,
    meant::MeantList,
};

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_0_3_get_the_recorded_answers() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let areas = Areas::read(&recordings).expect("areas.toml");
    let scope = Scope {
        areas: areas.a2a.areas,
        wire: areas.a2a.wire,
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
