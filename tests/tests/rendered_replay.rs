//! The recorded inputs of the Go controller, replayed on a real API server: what our server makes of them is the same, or
//! meant.

use std::path::Path;

use kagent_tests::{
    replay::{
        meant::MeantList,
        rendered::{replay, server::Program},
    },
    requirements,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_what_was_recorded() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let meant = MeantList::read(&recordings.join("meant.toml")).expect("meant.toml");
    let program = Program {
        path: requirements::find_server().expect("the server program"),
        on_postgres: false,
    };
    let report = replay(&recordings.join("rendered"), &[], &program, &meant)
        .await
        .expect("the replay runs");
    assert!(report.0.len() > 150, "only {} cases were replayed", report.0.len());
    assert!(report.list_different().is_empty(), "{}", report.to_text());
}
