//! Events of a session, appended by the agent's runtime on behalf of the session's user.

use crate::{
    clock::new_id,
    error::{Error, Result},
    ident::python_id,
    service::{
        hide, refuse_nul,
        sessions::{find_session, no_session},
    },
    store::{
        Store,
        events::{Appended, EventRecord, NewEvent},
    },
};

/// What a runtime appends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventRequest {
    /// Id; made here when empty.
    pub id: String,
    /// Opaque text.
    pub data: String,
}

/// Appends an event to the user's session on behalf of `agent` (as named by the caller). Sending the same event again
/// changes nothing and succeeds.
///
/// # Errors
/// `NotFound` without such a session, `Forbidden` when it is another agent's, `AlreadyExists` when the id is taken by
/// another event of the user.
pub async fn append_event(
    store: &dyn Store,
    user: &str,
    agent: Option<&str>,
    session_id: &str,
    request: EventRequest,
) -> Result<EventRecord> {
    let session = find_session(store, user, session_id)
        .await?
        .ok_or_else(|| no_session(session_id))?;
    if session
        .agent_id
        .is_some_and(|owner| owner != python_id(agent.unwrap_or_default()))
    {
        return Err(Error::forbidden("Session does not belong to this agent"));
    }
    refuse_nul("id", &request.id)?;
    refuse_nul("data", &request.data)?;
    let event = NewEvent {
        id: if request.id.is_empty() {
            new_id().to_string()
        } else {
            request.id
        },
        user_id: user.to_owned(),
        session_id: session_id.to_owned(),
        data: request.data,
    };
    let appended = store.append_event(&event).await;
    match appended.map_err(|error| hide("Failed to store event", error))? {
        Appended::New(event) | Appended::Repeated(event) => Ok(event),
        Appended::Taken => Err(Error::already_exists(format!(
            "Failed to store event: another event with the id {} exists",
            event.id
        ))),
    }
}
