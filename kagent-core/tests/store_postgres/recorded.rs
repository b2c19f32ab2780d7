//! A recorded database of the Go controller 0.9.12, read through the store: what it answered is what we find.

use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use kagent_core::{
    ident::AgentRef,
    store::{
        AgentStore, EventStore, SessionStore, TaskStore,
        events::{EventQuery, EventRecord, Order},
        postgres::PostgresStore,
        sessions::SessionRecord,
    },
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::{db::TestPostgres, open_url};

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/recordings/database")
        .join(name)
}

fn unpack(name: &str) -> String {
    let path = recording(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the recording unpacks");
    text
}

/// Restores a recorded dump into the empty database.
pub(crate) async fn restore(database: &TestPostgres, name: &str) {
    let mut connection = database.connect().await;
    connection
        .execute(AssertSqlSafe(unpack(name)))
        .await
        .expect("the dump is restored");
}

/// One recorded read.
struct RecordedRead {
    /// The path's segments after `/api/`.
    path: Vec<String>,
    query: HashMap<String, String>,
    user: String,
    status: u64,
    data: Value,
}

fn reads(name: &str) -> Vec<RecordedRead> {
    let parse = |line: &str| {
        let read: Value = serde_json::from_str(line).expect("a line is JSON");
        let target = format!("http://host{}", read["request"]["target"].as_str().expect("a target"));
        let target = url::Url::parse(&target).expect("a target");
        let body: Value = serde_json::from_str(read["body"].as_str().expect("a body")).unwrap_or_default();
        let user = read["request"]["headers"]["X-User-Id"].as_str();
        RecordedRead {
            path: target.path().split('/').skip(2).map(str::to_owned).collect(),
            query: target.query_pairs().into_owned().collect(),
            user: user.unwrap_or_default().to_owned(),
            status: read["status"].as_u64().expect("a status"),
            data: body["data"].clone(),
        }
    };
    unpack(name).lines().map(parse).collect()
}

/// A time as the Go controller writes it; no time is its zero time.
fn time(time: Option<Timestamp>) -> Value {
    time.map_or_else(|| json!("0001-01-01T00:00:00Z"), |time| json!(time.to_string()))
}

/// A session as the Go controller writes it: what is NULL is left out.
fn session_view(session: &SessionRecord) -> Value {
    let mut view = json!({
        "id": session.id,
        "user_id": session.user_id,
        "created_at": time(session.created_at),
        "updated_at": time(session.updated_at),
    });
    for (key, value) in [
        ("name", &session.name),
        ("agent_id", &session.agent_id),
        ("source", &session.source),
    ] {
        if let Some(value) = value {
            view[key] = json!(value);
        }
    }
    view
}

fn event_view(event: &EventRecord) -> Value {
    json!({
        "id": event.id,
        "session_id": event.session_id,
        "user_id": event.user_id,
        "data": event.data,
        "created_at": time(event.created_at),
        "updated_at": time(event.updated_at),
    })
}

/// Compares lists whose order is given by times only: how equal times follow each other was left to the Go
/// controller's database, and is by id here.
fn assert_same_list(ours: Vec<Value>, recorded: &Value, what: &str) {
    let recorded = recorded.as_array().cloned().unwrap_or_default();
    let times = |list: &[Value]| -> Vec<(Value, Value)> {
        let times = |item: &Value| (item["updated_at"].clone(), item["created_at"].clone());
        list.iter().map(times).collect()
    };
    assert_eq!(times(&ours), times(&recorded), "order of {what}");
    let by_id = |mut list: Vec<Value>| {
        list.sort_by_key(|item| item["id"].to_string());
        list
    };
    assert_eq!(by_id(ours), by_id(recorded), "{what}");
}

fn event_query(query: &HashMap<String, String>) -> EventQuery {
    EventQuery {
        after: query.get("after").map(|after| after.parse().expect("an instant")),
        order: match query.get("order").map(String::as_str) {
            Some("asc") => Order::Ascending,
            _ => Order::Descending,
        },
        limit: query
            .get("limit")
            .and_then(|limit| limit.parse().ok())
            .filter(|&limit| limit > 0),
    }
}

/// Compares one read; whether it was of a kind that is compared.
async fn compare(store: &PostgresStore, read: &RecordedRead) -> bool {
    let user = &read.user;
    let path: Vec<_> = read.path.iter().map(String::as_str).collect();
    match path[..] {
        ["sessions"] => {
            let sessions = store.list_sessions(user).await.expect("listed");
            let views: Vec<_> = sessions.iter().map(session_view).collect();
            assert_same_list(views, &read.data, &format!("sessions of {user}"));
        }
        ["sessions", "agent", namespace, name] if read.status == 200 => {
            let agent = AgentRef::new(namespace, name).python_id();
            assert!(store.find_agent(&agent).await.expect("answers").is_some(), "{agent}");
            let sessions = store.list_sessions_for_agent(&agent, user).await.expect("listed");
            let views: Vec<_> = sessions.iter().map(session_view).collect();
            assert_same_list(views, &read.data, &format!("sessions of {user} with {agent}"));
        }
        ["sessions", id] => {
            let session = store.find_session(id, user).await.expect("answers");
            assert_eq!(session.is_some(), read.status == 200, "session {id} of {user}");
            if let Some(session) = session {
                assert_eq!(session_view(&session), read.data["session"]);
                let query = event_query(&read.query);
                let events = store.list_events(id, user, &query).await.expect("listed");
                let views: Vec<_> = events.iter().map(event_view).collect();
                assert_same_list(
                    views,
                    &read.data["events"],
                    &format!("events of {id} of {user}, {query:?}"),
                );
            }
        }
        ["sessions", id, "tasks"] if read.status == 200 => {
            let tasks = store.list_tasks_for_session(id).await.expect("listed");
            assert_eq!(tasks.len(), read.data.as_array().map_or(0, Vec::len), "tasks of {id}");
        }
        ["tasks", id] if read.status == 200 => {
            assert!(store.find_task(id).await.expect("answers").is_some(), "task {id}");
        }
        _ => return false,
    }
    true
}

#[tokio::test]
async fn a_recorded_database_reads_as_the_go_controller_read_it() {
    for name in ["kagent-0.9.12", "kagent-0.8.0-upgraded-to-0.9.12"] {
        let database = TestPostgres::create().await;
        restore(&database, &format!("{name}.sql.gz")).await;
        let store = open_url(database.url()).await;
        let mut compared = 0;
        for read in reads(&format!("{name}.reads.jsonl.gz")) {
            compared += usize::from(compare(&store, &read).await);
        }
        assert!(compared > 300, "{name}: only {compared} reads were compared");
        let live: (i64,) = sqlx::query_as("SELECT count(*) FROM agent WHERE deleted_at IS NULL")
            .fetch_one(&mut database.connect().await)
            .await
            .expect("the agents are counted");
        let listed = store.list_agents().await.expect("listed");
        assert_eq!(
            i64::try_from(listed.len()),
            Ok(live.0),
            "{name}: a row was lost on the way"
        );
    }
}
