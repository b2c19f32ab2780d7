//! The recorded REST answers of the Go controller, replayed against the server program on both databases: all the same,
//! or meant.

use std::path::Path;

use kagent_tests::{
    replay::{
        areas::Areas,
        meant::MeantList,
        rest::{POLL_LIMIT, Scope, replay},
        server::{Engine, Server},
    },
    requirements,
};

async fn replay_on(engine: Engine) {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let areas = Areas::read(&recordings).expect("areas.toml");
    let scope = Scope {
        areas: areas.rest.areas,
        cases: Vec::new(),
        other_routes: areas.rest.other_routes,
        poll_limit: POLL_LIMIT,
    };
    let meant = MeantList::read(&recordings.join("meant.toml")).expect("meant.toml");
    let program = requirements::find_server().expect("the server program");
    let start = async |mode: &str| Server::start(&program, mode, engine).await;
    let report = replay(&recordings.join("rest"), &scope, &meant, start)
        .await
        .expect("the replay runs");
    assert!(report.0.len() > 700, "only {} steps were replayed", report.0.len());
    assert!(report.list_different().is_empty(), "{}", report.to_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_recorded_on_sqlite() {
    replay_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_recorded_on_postgres() {
    replay_on(Engine::Postgres).await;
}
