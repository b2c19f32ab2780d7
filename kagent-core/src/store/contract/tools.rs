//! The contract of tool servers and their tools.

use super::Fixture;
use crate::{
    clock::Clock,
    error::ErrorKind,
    store::{
        Store,
        tools::{NewTool, NewToolServer},
    },
};

const REMOTE: &str = "RemoteMCPServer.kagent.dev";

fn server(name: &str, description: &str) -> NewToolServer {
    NewToolServer {
        name: name.to_owned(),
        group_kind: REMOTE.to_owned(),
        description: description.to_owned(),
    }
}

fn tool(id: &str, description: &str) -> NewTool {
    NewTool {
        id: id.to_owned(),
        description: description.to_owned(),
    }
}

/// Ids and descriptions of a server's tools.
async fn tools_of<S: Store + ?Sized>(store: &S, server_name: &str) -> Vec<(String, String)> {
    let tools = store.list_tools_of_server(server_name, REMOTE).await.expect("listed");
    tools
        .into_iter()
        .map(|tool| (tool.id, tool.description.unwrap_or_default()))
        .collect()
}

fn pair(id: &str, description: &str) -> (String, String) {
    (id.to_owned(), description.to_owned())
}

pub async fn a_server_is_known_by_name_and_kind<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.upsert_tool_server(&server("ns/a", "one")).await.expect("written");
    let mut service = server("ns/a", "two");
    service.group_kind = "Service".to_owned();
    store.upsert_tool_server(&service).await.expect("written");
    let listed = store.list_tool_servers().await.expect("listed");
    let kinds: Vec<_> = listed.iter().map(|it| it.group_kind.as_str()).collect();
    assert_eq!(kinds, [REMOTE, "Service"]);
    assert_eq!(listed[0].description.as_deref(), Some("one"));
    assert_eq!(listed[0].last_connected, None);
    assert!(store.delete_tool_server("ns/a", "Service").await.expect("deleted"));
    assert!(!store.delete_tool_server("ns/a", "Service").await.expect("answers"));
    assert_eq!(store.list_tool_servers().await.expect("listed"), listed[..1]);
}

pub async fn a_server_that_says_the_same_is_not_written_again<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    store.upsert_tool_server(&server("ns/a", "one")).await.expect("written");
    clock.advance_millis(1000);
    store
        .upsert_tool_server(&server("ns/a", "one"))
        .await
        .expect("accepted");
    let listed = store.list_tool_servers().await.expect("listed");
    assert_eq!(listed[0].updated_at, Some(born), "was written twice");
    store.upsert_tool_server(&server("ns/a", "two")).await.expect("written");
    let listed = store.list_tool_servers().await.expect("listed");
    assert_eq!(
        (listed[0].created_at, listed[0].updated_at),
        (Some(born), Some(clock.now()))
    );
}

pub async fn a_refresh_replaces_the_tools_of_one_server<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    let found = [tool("b", "B"), tool("a", "A"), tool("b", "again")];
    store.replace_tools("ns/a", REMOTE, &found).await.expect("written");
    store
        .replace_tools("ns/other", REMOTE, &found[..1])
        .await
        .expect("written");
    assert_eq!(tools_of(&**store, "ns/a").await, [pair("a", "A"), pair("b", "B")]);

    clock.advance_millis(1000);
    let found = [tool("b", "B"), tool("c", "C")];
    store.replace_tools("ns/a", REMOTE, &found).await.expect("written");
    assert_eq!(tools_of(&**store, "ns/a").await, [pair("b", "B"), pair("c", "C")]);
    assert_eq!(tools_of(&**store, "ns/other").await, [pair("b", "B")]);
    let all = store.list_tools().await.expect("listed");
    let names: Vec<_> = all
        .iter()
        .map(|tool| (tool.server_name.as_str(), tool.id.as_str()))
        .collect();
    assert_eq!(names, [("ns/a", "b"), ("ns/other", "b"), ("ns/a", "c")]);
    assert_eq!(all[0].updated_at, Some(born), "an unchanged tool was written again");

    let found = [tool("a", "new")];
    store.replace_tools("ns/a", REMOTE, &found).await.expect("written");
    let back = store.list_tools_of_server("ns/a", REMOTE).await.expect("listed");
    assert_eq!(back.len(), 1);
    assert_eq!(
        back[0].created_at,
        Some(born),
        "created_at of a tool that came back was lost"
    );
    assert_eq!(back[0].updated_at, Some(clock.now()));

    store.replace_tools("ns/a", REMOTE, &[]).await.expect("written");
    assert_eq!(tools_of(&**store, "ns/a").await, []);
}

pub async fn a_deleted_server_takes_its_tools_along<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for name in ["ns/a", "ns/b"] {
        store.upsert_tool_server(&server(name, "")).await.expect("written");
        store
            .replace_tools(name, REMOTE, &[tool("t", "T")])
            .await
            .expect("written");
    }
    assert!(store.delete_tool_server("ns/a", REMOTE).await.expect("deleted"));
    assert_eq!(tools_of(&**store, "ns/a").await, []);
    assert_eq!(tools_of(&**store, "ns/b").await, [pair("t", "T")]);
    store.upsert_tool_server(&server("ns/a", "")).await.expect("written");
    assert_eq!(store.list_tool_servers().await.expect("listed").len(), 2);
    assert_eq!(tools_of(&**store, "ns/a").await, [], "old tools came back to life");
}

pub async fn strange_tool_names_are_kept_and_nul_is_refused<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    let found = [tool("O'Neil \"x\" \\ % _ 🚀", "d\u{7f}"), tool("", "")];
    store.replace_tools("ns/a", REMOTE, &found).await.expect("written");
    assert_eq!(
        tools_of(&**store, "ns/a").await,
        [pair("", ""), pair(&found[0].id, &found[0].description)]
    );
    for bad in [tool("a\0", ""), tool("a", "\0")] {
        let error = store.replace_tools("ns/a", REMOTE, &[bad]).await.expect_err("accepted");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(
        tools_of(&**store, "ns/a").await.len(),
        2,
        "a refused list changed something"
    );
}
