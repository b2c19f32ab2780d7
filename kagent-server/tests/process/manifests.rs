//! Manifests: a bad one is one clear line, and the others and what was there before go on.

use std::fs;

use crate::server::{Dirs, answering, wait};

#[test]
fn a_typo_is_one_clear_line_and_nothing_else_breaks() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &answering("one", "first"));
    let server = dirs.start();
    server.wait_for_answer("demo/one", "first");

    let typo = answering("one", "second").replace("description:", "descripton:");
    dirs.manifest("a.yaml", &format!("{typo}---\n{}", answering("two", "fine")));
    dirs.manifest("b.yaml", "kind: [\n");
    server.wait_for_answer("demo/two", "fine");
    wait("two lines", || {
        (server.lines("ERROR", ".yaml: ").len() == 2).then_some(())
    });
    let told = server.lines("ERROR", "a.yaml: document 1: ");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("descripton"), "{told:?}");
    assert_eq!(server.lines("ERROR", "b.yaml: document 1: ").len(), 1);
    // The good version of the bad manifest stays.
    assert!(server.call("demo/one").contains("first"));

    dirs.manifest("a.yaml", &answering("one", "second"));
    server.wait_for_answer("demo/one", "second");
    wait("two to go", || (!server.agents().contains("two")).then_some(()));
}

#[test]
fn objects_survive_a_restart_and_manifests_removed_meanwhile_are_noticed() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &answering("one", "first"));
    dirs.manifest("b.yaml", &answering("two", "second"));
    let mut server = dirs.start();
    server.wait_for_answer("demo/two", "second");
    server.signal("-TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));

    fs::remove_file(dirs.path("manifests/b.yaml")).expect("manifest");
    let server = dirs.start();
    server.wait_for_answer("demo/one", "first");
    wait("two to go", || (!server.agents().contains("two")).then_some(()));
}

#[test]
fn the_same_object_in_two_files_is_told() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &answering("one", "first"));
    dirs.manifest("b.yaml", &answering("one", "second"));
    let server = dirs.start();
    server.wait_for_answer("demo/one", "first");
    wait("the line", || {
        (server
            .lines("ERROR", "b.yaml: document 1: Agent demo/one is in a.yaml already")
            .len()
            == 1)
            .then_some(())
    });
}
