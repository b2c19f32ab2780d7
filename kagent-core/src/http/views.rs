//! Records as wire bodies.

use jiff::Timestamp;
use kagent_api::wire::{
    ZERO_TIME,
    events::Event,
    sessions::{Session, SessionWithEvents},
};

use crate::store::{events::EventRecord, sessions::SessionRecord};

pub(super) fn session(record: SessionRecord) -> Session {
    Session {
        id: record.id,
        name: record.name,
        user_id: record.user_id,
        created_at: time(record.created_at),
        updated_at: time(record.updated_at),
        agent_id: record.agent_id,
        source: record.source,
    }
}

pub(super) fn sessions(records: Vec<SessionRecord>) -> Vec<Session> {
    records.into_iter().map(session).collect()
}

pub(super) fn session_with_events(record: SessionRecord, events: Vec<EventRecord>) -> SessionWithEvents {
    SessionWithEvents {
        session: session(record),
        events: events.into_iter().map(event).collect(),
    }
}

fn event(record: EventRecord) -> Event {
    Event {
        id: record.id,
        session_id: record.session_id.unwrap_or_default(),
        user_id: record.user_id,
        created_at: time(record.created_at),
        updated_at: time(record.updated_at),
        data: record.data,
    }
}

/// The answer to an append carries no times: clients have always got it so.
pub(super) fn appended_event(record: EventRecord) -> Event {
    Event {
        created_at: ZERO_TIME,
        updated_at: ZERO_TIME,
        ..event(record)
    }
}

fn time(time: Option<Timestamp>) -> Timestamp {
    time.unwrap_or(ZERO_TIME)
}
