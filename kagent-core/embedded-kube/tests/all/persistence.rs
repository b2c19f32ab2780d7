//! The state file: restarts, two openers, torn and damaged lines.

use std::{fs, io::Write, path::Path};

use embedded_kube::{EmbeddedKube, OpenError};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

use crate::support::{config_map, config_maps, widget, widget_crd, widgets};

fn open(dir: &Path) -> Result<EmbeddedKube, OpenError> {
    EmbeddedKube::builder().state_dir(dir).build()
}

fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().expect("a version").parse().expect("a number")
}

#[tokio::test]
async fn a_restart_keeps_objects_kinds_and_rising_versions() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = open(dir.path()).expect("opened");
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let kept = config_maps(&client)
        .create(&PostParams::default(), &config_map("kept", &[("k", "1")]))
        .await
        .expect("created");
    let custom = widgets(&client)
        .create(&PostParams::default(), &widget("w", json!({ "color": "red" })))
        .await
        .expect("created");
    config_maps(&client)
        .create(&PostParams::default(), &config_map("gone", &[]))
        .await
        .expect("created");
    config_maps(&client)
        .delete("gone", &DeleteParams::default())
        .await
        .expect("deleted");
    let last: u64 = config_maps(&client)
        .list(&ListParams::default())
        .await
        .expect("listed")
        .metadata
        .resource_version
        .expect("a version")
        .parse()
        .expect("a number");
    server.shutdown().await.expect("stopped");
    drop((server, client));

    // The client's worker lets go of the state when it notices that the client is gone.
    let server = reopen(dir.path()).await;
    let client = server.client();
    let again = config_maps(&client).get("kept").await.expect("read");
    assert_eq!(again, kept);
    assert_eq!(
        widgets(&client).get("w").await.expect("read").data["spec"],
        custom.data["spec"]
    );
    assert!(config_maps(&client).get("gone").await.is_err());
    let new = config_maps(&client)
        .create(&PostParams::default(), &config_map("new", &[]))
        .await
        .expect("created");
    assert!(version(&new) > last, "{} is not above {last}", version(&new));
}

async fn reopen(dir: &Path) -> EmbeddedKube {
    for _ in 0..100 {
        match open(dir) {
            Err(OpenError::InUse(_)) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            other => return other.expect("opened"),
        }
    }
    panic!("the state is still in use");
}

#[tokio::test]
async fn a_second_opener_is_refused_with_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let _first = open(dir.path()).expect("opened");
    let error = open(dir.path()).expect_err("in use").to_string();
    assert_eq!(
        error,
        format!("the state in {} is in use by another process", dir.path().display())
    );
}

#[tokio::test]
async fn a_torn_last_line_is_left_out_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = open(dir.path()).expect("opened");
    let client = server.client();
    config_maps(&client)
        .create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let path = dir.path().join("objects.journal");
    let whole = fs::read(&path).expect("read");
    config_maps(&client)
        .create(&PostParams::default(), &config_map("b", &[]))
        .await
        .expect("created");
    let more = fs::read(&path).expect("read");
    drop((server, client));
    // As kill -9 or a full disk leaves it: half of the last line.
    let torn = &more[..whole.len() + (more.len() - whole.len()) / 2];
    let copy = tempfile::tempdir().expect("a directory");
    fs::write(copy.path().join("objects.journal"), torn).expect("written");
    let server = open(copy.path()).expect("opened");
    let names: Vec<String> = config_maps(&server.client())
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(names, ["a"]);
}

#[tokio::test]
async fn a_damaged_line_in_the_middle_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("opened"));
    let path = dir.path().join("objects.journal");
    let text = fs::read_to_string(&path).expect("read");
    let damaged = text.replacen("kube-system", "kube-sistem", 1);
    assert_ne!(text, damaged);
    let line = damaged
        .lines()
        .position(|line| line.contains("kube-sistem"))
        .expect("a line")
        + 1;
    fs::write(&path, damaged).expect("written");
    let error = open(dir.path()).expect_err("damaged").to_string();
    assert_eq!(
        error,
        format!(
            "{}:{line}: the state file is damaged: its checksum does not match",
            path.display()
        )
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_one_clear_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::File::create(&file).expect("made").write_all(b"x").expect("written");
    let error = open(&file.join("state")).expect_err("no directory").to_string();
    assert!(
        error.starts_with(&format!("cannot open the state in {}: ", file.join("state").display())),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn only_the_owner_may_read_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let _server = open(dir.path()).expect("opened");
    let mode = fs::metadata(dir.path().join("objects.journal"))
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_file_is_compacted_when_it_is_mostly_history() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = open(dir.path()).expect("opened");
    let client = server.client();
    let api = config_maps(&client);
    let mut object = api
        .create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    for round in 0..50 {
        object.data = Some([("big".to_owned(), format!("{round}").repeat(100_000))].into());
        object = api
            .replace("a", &PostParams::default(), &object)
            .await
            .expect("replaced");
    }
    let size = fs::metadata(dir.path().join("objects.journal"))
        .expect("metadata")
        .len();
    assert!(size < 8 << 20, "the file has {size} bytes");
    drop((server, client, api));
    let server = reopen(dir.path()).await;
    let again = config_maps(&server.client()).get("a").await.expect("read");
    assert_eq!(again, object);
}
