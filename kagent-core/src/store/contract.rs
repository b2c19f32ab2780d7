//! What every [`Store`] must do, as tests: one per rule, run on the concrete type and on `dyn Store`.
//!
//! Implement [`Harness`] for the engine and call [`store_contract_tests!`](crate::store_contract_tests) in an
//! integration test.

pub mod agents;
pub mod events;
pub mod leases;
pub mod old_rows;
pub mod sessions;
pub mod tasks;
pub mod text;
pub mod tools;

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Store,
    agents::NewAgent,
    events::{Appended, EventQuery, EventRecord, NewEvent, Order},
    sessions::NewSession,
    tasks::NewTask,
};
use crate::clock::{Clock, manual::ManualClock};

/// How the contract gets stores of one engine.
#[async_trait]
pub trait Harness: Default + Send + Sync {
    /// The engine.
    type Store: Store + 'static;

    /// A store on an empty database of its own, ready for calls.
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<Self::Store>;

    /// Adds the rows of [`old_rows::SQL`] to the database, past the store's methods.
    async fn insert_old_rows(&self, store: &Self::Store);
}

/// A store under test, and its time.
pub struct Fixture<S: ?Sized> {
    /// The store, empty at first.
    pub store: Arc<S>,
    /// The clock that it was given.
    pub clock: Arc<ManualClock>,
}

impl<S: Store + 'static> Fixture<S> {
    /// A store of the harness's engine.
    pub async fn open<H: Harness<Store = S>>(harness: &H) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = harness.open(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Self { store, clock }
    }

    /// The same store as a trait object.
    pub fn into_dyn(self) -> Fixture<dyn Store> {
        Fixture {
            store: self.store,
            clock: self.clock,
        }
    }
}

/// Makes one test of each rule of the contract, in modules `concrete` and `object`. `$harness` is the full path of a
/// type that implements [`Harness`](crate::store::contract::Harness), such as `crate::SqliteHarness`. The tests are
/// `#[tokio::test]`s.
#[macro_export(local_inner_macros)]
macro_rules! store_contract_tests {
    ($harness:ty) => {
        store_contract_tests!(@forms $harness;
            agents {
                a_config_that_is_not_json_is_invalid,
                a_config_is_kept_to_the_byte,
                a_deleted_agent_is_gone_and_comes_back_to_life,
                a_second_upsert_replaces_and_keeps_created_at,
                agents_are_listed_by_creation_then_id,
                an_agent_that_says_the_same_is_not_written_again,
                an_unknown_agent_is_none,
            }
            events {
                a_call_that_is_given_up_is_done_whole_or_not_at_all,
                a_limit_and_an_instant_narrow_the_list,
                a_repeated_append_changes_nothing,
                a_taken_id_is_refused_and_nothing_is_written,
                an_append_marks_its_session_and_no_other,
                an_event_needs_no_session,
                descending_is_the_reverse_of_ascending,
                events_are_listed_for_their_user_only,
                parallel_appends_are_all_kept_in_an_order,
                the_order_of_arrival_survives_clocks_that_stand_or_go_back,
                the_same_event_many_times_at_once_is_kept_once,
            }
            leases {
                a_free_lease_is_taken_and_extended_under_one_epoch,
                a_held_lease_is_refused_and_its_holder_named,
                a_lease_that_ran_out_is_taken_under_the_next_epoch,
                a_released_lease_is_free_at_once,
                one_of_many_claimants_gets_the_lease,
            }
            sessions {
                a_deleted_session_comes_back_with_its_events,
                a_deleted_session_is_gone_for_its_user_only,
                a_second_upsert_replaces_and_keeps_created_at,
                another_agent_is_set_on_the_users_session_only,
                parallel_upserts_of_one_session_all_succeed,
                sessions_are_listed_by_their_last_change,
                sessions_of_an_agent_leave_out_those_that_agents_started,
                the_same_id_belongs_to_each_user_separately,
                updated_at_never_goes_back,
            }
            tasks {
                a_deleted_task_is_gone_and_comes_back_to_life,
                a_second_upsert_replaces_and_keeps_created_at,
                a_task_marks_the_sessions_with_its_id_of_every_user,
                parallel_upserts_all_succeed,
                tasks_of_a_session_are_listed_by_creation_then_id,
            }
            text {
                a_healthy_store_says_so,
                every_character_but_nul_is_kept,
                long_ids_and_large_payloads_are_kept,
                nul_is_invalid_everywhere,
            }
            tools {
                a_deleted_server_takes_its_tools_along,
                a_refresh_replaces_the_tools_of_one_server,
                a_server_is_known_by_name_and_kind,
                a_server_that_says_the_same_is_not_written_again,
                strange_tool_names_are_kept_and_nul_is_refused,
            }
        );
        store_contract_tests!(@old $harness;
            old_sessions_are_listed_and_can_be_written,
            old_events_are_listed_and_appended_to,
            old_tasks_are_listed_and_can_be_written,
            old_agents_are_listed_and_can_be_written,
        );
    };
    (@forms $harness:ty; $($area:ident { $($case:ident,)+ })+) => {
        mod concrete {
            $(mod $area {
                $(#[tokio::test]
                async fn $case() {
                    let harness = <$harness>::default();
                    let fixture = $crate::store::contract::Fixture::open(&harness).await;
                    $crate::store::contract::$area::$case(&fixture).await;
                })+
            })+
        }
        mod object {
            $(mod $area {
                $(#[tokio::test]
                async fn $case() {
                    let harness = <$harness>::default();
                    let fixture = $crate::store::contract::Fixture::open(&harness).await.into_dyn();
                    $crate::store::contract::$area::$case(&fixture).await;
                })+
            })+
        }
    };
    (@old $harness:ty; $($case:ident,)+) => {
        mod rows_of_older_versions {
            $(#[tokio::test]
            async fn $case() {
                use $crate::store::contract::Harness as _;
                let harness = <$harness>::default();
                let fixture = $crate::store::contract::Fixture::open(&harness).await;
                harness.insert_old_rows(&fixture.store).await;
                $crate::store::contract::old_rows::$case(&fixture.into_dyn()).await;
            })+
        }
    };
}

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

fn agent(id: &str, config: Option<&str>) -> NewAgent {
    NewAgent {
        id: id.to_owned(),
        agent_type: "Declarative".to_owned(),
        workload_type: "deployment".to_owned(),
        config: config.map(str::to_owned),
    }
}

fn session(id: &str, user_id: &str) -> NewSession {
    NewSession {
        id: id.to_owned(),
        user_id: user_id.to_owned(),
        name: Some("a name".to_owned()),
        agent_id: Some("kagent__NS__agent".to_owned()),
        source: Some("user".to_owned()),
    }
}

fn event(id: &str, session_id: &str) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        user_id: ALICE.to_owned(),
        session_id: session_id.to_owned(),
        data: format!("{{\"event\": \"{id}\"}}"),
    }
}

fn task(id: &str, session_id: Option<&str>) -> NewTask {
    NewTask {
        id: id.to_owned(),
        session_id: session_id.map(str::to_owned),
        data: format!("{{\"id\": \"{id}\"}}"),
        protocol_version: None,
    }
}

async fn append_new<S: Store + ?Sized>(store: &S, event: &NewEvent) -> EventRecord {
    match store.append_event(event).await.expect("the append succeeds") {
        Appended::New(record) => record,
        other => panic!("the event {} is new, and the store says {other:?}", event.id),
    }
}

async fn list_ascending<S: Store + ?Sized>(store: &S, session_id: &str) -> Vec<EventRecord> {
    let query = EventQuery {
        order: Order::Ascending,
        ..EventQuery::default()
    };
    store
        .list_events(session_id, ALICE, &query)
        .await
        .expect("the events are listed")
}
