//! Sessions: a user's conversations with agents. Nobody sees another user's.

use crate::{
    clock::new_id,
    error::{Error, Result},
    gocompat::{TimeLayout, parse_time},
    ident::{AgentRef, python_id},
    service::{hide, refuse_nul},
    store::{
        Store,
        events::{EventQuery, EventRecord, Order},
        sessions::{NewSession, SessionRecord},
    },
};

/// What a client asks for when it writes a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionRequest {
    /// The agent, as `namespace/name` or python id.
    pub agent_ref: Option<String>,
    /// Title; in an update, the id.
    pub name: Option<String>,
    /// Id; made here when empty.
    pub id: Option<String>,
    /// Who began it.
    pub source: Option<String>,
}

/// Which events of a session to return, as asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventSelection<'a> {
    /// `asc`: oldest first; any other word: newest first.
    pub order: Option<&'a str>,
    /// RFC 3339; only events after it.
    pub after: Option<&'a str>,
    /// At most so many; none, zero or negative: all.
    pub limit: Option<&'a str>,
}

/// The user's sessions, last updated first.
///
/// # Errors
/// When the store fails.
pub async fn list_sessions(store: &dyn Store, user: &str) -> Result<Vec<SessionRecord>> {
    refuse_nul("user_id", user)?;
    store
        .list_sessions(user)
        .await
        .map_err(|error| hide("Failed to list sessions", error))
}

/// The user's sessions with an agent, without those that another agent began.
///
/// # Errors
/// `NotFound` when there is no such agent.
pub async fn list_sessions_for_agent(store: &dyn Store, user: &str, agent: &AgentRef) -> Result<Vec<SessionRecord>> {
    refuse_nul("user_id", user)?;
    let id = agent.python_id();
    if !agent_exists(store, &id).await? {
        return Err(Error::not_found(format!("Agent not found: {}", no_agent(&id))));
    }
    store
        .list_sessions_for_agent(&id, user)
        .await
        .map_err(|error| hide("Failed to get sessions for agent", error))
}

/// Makes a session, or overwrites the user's session with that id; a deleted one comes back.
///
/// # Errors
/// `Invalid` when the agent is missing or unknown.
pub async fn create_session(store: &dyn Store, user: &str, request: SessionRequest) -> Result<SessionRecord> {
    let agent_ref = request
        .agent_ref
        .ok_or_else(|| Error::invalid("agent_ref is required"))?;
    let agent_id = python_id(&agent_ref);
    if !agent_exists(store, &agent_id).await? {
        return Err(Error::invalid(format!(
            "Agent ref is invalid, please check the agent ref {agent_ref}: {}",
            no_agent(&agent_id)
        )));
    }
    let id = request
        .id
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| new_id().to_string());
    refuse_nul("user_id", user)?;
    refuse_nul("id", &id)?;
    refuse_nul("name", request.name.as_deref().unwrap_or_default())?;
    refuse_nul("source", request.source.as_deref().unwrap_or_default())?;
    let session = NewSession {
        id,
        user_id: user.to_owned(),
        name: request.name,
        agent_id: Some(agent_id),
        source: request.source,
    };
    store
        .upsert_session(&session)
        .await
        .map_err(|error| hide("Failed to create session", error))
}

/// A session with the selected events.
///
/// # Errors
/// `NotFound` when the user has no such session; `Invalid` when the selection cannot be read.
pub async fn get_session(
    store: &dyn Store,
    user: &str,
    id: &str,
    selection: EventSelection<'_>,
) -> Result<(SessionRecord, Vec<EventRecord>)> {
    let session = find_session(store, user, id).await?.ok_or_else(|| no_session(id))?;
    let query = parse_selection(selection)?;
    let events = store
        .list_events(id, user, &query)
        .await
        .map_err(|error| hide("Failed to get events for session", error))?;
    Ok((session, events))
}

/// Gives the session whose id is the request's `name` to another agent. The answer carries the old `updated_at`.
///
/// # Errors
/// `Invalid` without name or agent; `NotFound` when session or agent do not exist.
pub async fn update_session(store: &dyn Store, user: &str, request: SessionRequest) -> Result<SessionRecord> {
    let id = request.name.ok_or_else(|| Error::invalid("session name is required"))?;
    let agent_ref = request
        .agent_ref
        .ok_or_else(|| Error::invalid("agent_ref is required"))?;
    let session = find_session(store, user, &id).await?.ok_or_else(|| no_session(&id))?;
    let agent_id = python_id(&agent_ref);
    if !agent_exists(store, &agent_id).await? {
        return Err(Error::not_found(format!("Agent not found: {}", no_agent(&agent_id))));
    }
    store
        .update_session_agent(&id, user, &agent_id)
        .await
        .map_err(|error| hide("Failed to update session", error))?
        .ok_or_else(|| no_session(&id))?;
    Ok(SessionRecord {
        agent_id: Some(agent_id),
        ..session
    })
}

/// Deletes the user's session; its events and tasks stay. Deleting what is not there is fine.
///
/// # Errors
/// When the store fails.
pub async fn delete_session(store: &dyn Store, user: &str, id: &str) -> Result<()> {
    refuse_nul("user_id", user)?;
    refuse_nul("id", id)?;
    store
        .delete_session(id, user)
        .await
        .map(drop)
        .map_err(|error| hide("Failed to delete session", error))
}

/// The user's session, if there is one.
pub(super) async fn find_session(store: &dyn Store, user: &str, id: &str) -> Result<Option<SessionRecord>> {
    if id.contains('\0') || user.contains('\0') {
        return Ok(None);
    }
    store
        .find_session(id, user)
        .await
        .map_err(|error| hide("Failed to get session", error))
}

/// What the Go controller says of a session that is not there.
pub(super) fn no_session(id: &str) -> Error {
    Error::not_found(format!(
        "Session not found: failed to get session {id}: no rows in result set"
    ))
}

async fn agent_exists(store: &dyn Store, id: &str) -> Result<bool> {
    if id.contains('\0') {
        return Ok(false);
    }
    let agent = store.find_agent(id).await;
    Ok(agent.map_err(|error| hide("Failed to get agent", error))?.is_some())
}

fn no_agent(id: &str) -> String {
    format!("failed to get agent {id}: no rows in result set")
}

fn parse_selection(selection: EventSelection<'_>) -> Result<EventQuery> {
    let after = selection
        .after
        .map(|after| parse_time(after, TimeLayout::Rfc3339))
        .transpose()
        .map_err(|reason| Error::invalid(format!("Failed to parse after timestamp: {reason}")))?;
    let limit = selection.limit.map(parse_limit).transpose()?.flatten();
    let order = match selection.order {
        Some("asc") => Order::Ascending,
        Some(_) => Order::Descending,
        // The OpenAI runtime reads its whole conversation so, and needs it in order.
        None if limit.is_none() => Order::Ascending,
        None => Order::Descending,
    };
    Ok(EventQuery { after, order, limit })
}

/// `strconv.Atoi`, with its error texts. More than the store can count is all.
fn parse_limit(text: &str) -> Result<Option<u32>> {
    let fail = |reason: &str| {
        Error::invalid(format!(
            "Failed to parse limit: strconv.Atoi: parsing {text:?}: {reason}"
        ))
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fail("invalid syntax"));
    }
    let limit: i64 = text.parse().map_err(|_| fail("value out of range"))?;
    Ok(u32::try_from(limit).ok().filter(|limit| *limit > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_in_go() {
        for (text, limit) in [
            ("2", Some(2)),
            ("007", Some(7)),
            ("+3", Some(3)),
            ("0", None),
            ("-1", None),
            ("2147483648", Some(2_147_483_648)),
            ("4294967296", None),
        ] {
            assert_eq!(parse_limit(text).expect("accepted"), limit, "{text}");
        }
        for text in ["x", "1.5", " ", "1e3", "0x2", "9223372036854775808"] {
            assert!(parse_limit(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn only_a_request_for_everything_without_order_is_oldest_first() {
        let order = |order, limit| {
            let selection = EventSelection {
                order,
                limit,
                after: None,
            };
            parse_selection(selection).expect("selection").order
        };
        assert_eq!(order(None, None), Order::Ascending);
        assert_eq!(order(None, Some("-1")), Order::Ascending);
        assert_eq!(order(None, Some("5")), Order::Descending);
        assert_eq!(order(Some("desc"), None), Order::Descending);
        assert_eq!(order(Some("asc"), Some("5")), Order::Ascending);
    }
}
