//! What happened in a session, as the agent's runtime tells it. The payload is opaque.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// A row of table `event`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Chosen by the runtime.
    pub id: String,
    /// Owner of the session.
    pub user_id: String,
    /// Session; absent in rows of older versions.
    pub session_id: Option<String>,
    /// Opaque text.
    pub data: String,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
}

/// What a runtime appends.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Id.
    pub id: String,
    /// Owner of the session.
    pub user_id: String,
    /// Session.
    pub session_id: String,
    /// Opaque text.
    pub data: String,
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// The event is new.
    New(EventRecord),
    /// The same event (same session, same data) was there already.
    Repeated(EventRecord),
    /// The id is taken by another event of this user; nothing was written.
    Taken,
}

impl Appended {
    /// What an append of `event` means when `existing` has its id already.
    pub fn of_existing(existing: EventRecord, event: &NewEvent) -> Self {
        if existing.session_id.as_ref() == Some(&event.session_id) && existing.data == event.data {
            Self::Repeated(existing)
        } else {
            Self::Taken
        }
    }
}

/// Which end of the session comes first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

/// Which events of a session to list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventQuery {
    /// Only events created after this instant.
    pub after: Option<Timestamp>,
    /// Order by creation.
    pub order: Order,
    /// At most so many.
    pub limit: Option<u32>,
}

/// Keeps events.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Appends an event and marks its session as updated, in one transaction. Idempotent: see [`Appended`].
    ///
    /// `created_at` is later than the session's `updated_at` before, whatever the clock of this replica says: the order
    /// of arrival is in the times, and a reader that goes on from the last `created_at` it saw misses nothing. Events
    /// without a session row have no such order; their ties are ordered by id.
    async fn append_event(&self, event: &NewEvent) -> Result<Appended>;

    /// Events of the user's session, by `created_at`, then id; descending is the exact reverse. Rows without
    /// `created_at` count as the newest.
    async fn list_events(&self, session_id: &str, user_id: &str, query: &EventQuery) -> Result<Vec<EventRecord>>;
}
