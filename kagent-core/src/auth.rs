//! Who is asking (**`Authenticator`**) and whether they may (**`Authorizer`**).
//!
//! # How to add an implementation
//! Add `auth/<name>.rs` with a type that implements the trait. It sees the head of the request only. An authenticator
//! that cannot tell who is asking answers `Unauthenticated`; it never falls back to somebody.

pub mod trusted_proxy;
pub mod unsecured;

use async_trait::async_trait;

use crate::error::Result;

/// Who is asking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Principal {
    /// The user on whose behalf the request is made.
    pub user_id: String,
    /// The agent that makes it (`X-Agent-Name`, verbatim), if any.
    pub agent_id: Option<String>,
    /// The claims of the user's token, where there was one.
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Tells who is asking.
#[cfg_attr(feature = "test-util", mockall::automock)]
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The principal of a request.
    ///
    /// # Errors
    /// `Unauthenticated` when the request does not prove who is asking.
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Principal>;
}

/// What is about to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Reading.
    Get,
    /// Making a new one; also sending a message to an agent.
    Create,
    /// Changing.
    Update,
    /// Deleting.
    Delete,
}

/// What it is about to be done to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resource<'a> {
    /// Kind, such as `Agent` or `Session`.
    pub kind: &'a str,
    /// `namespace/name` or an id; empty for the whole list.
    pub name: &'a str,
}

/// Tells whether a principal may.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Allows or refuses.
    ///
    /// # Errors
    /// `Forbidden` when the principal may not.
    async fn authorize(&self, principal: &Principal, verb: Verb, resource: Resource<'_>) -> Result<()>;
}

/// Allows everything, as kagent 0.9 does.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn authorize(&self, _principal: &Principal, _verb: Verb, _resource: Resource<'_>) -> Result<()> {
        Ok(())
    }
}

/// The user that a request names by `user_id` in the query, else by `X-User-Id`.
///
/// A runtime that puts an address with `+` into the query without escaping it means the one in its header.
pub(crate) fn claimed_user(request: &http::request::Parts) -> Option<String> {
    let query = crate::gocompat::Query::of(&request.uri);
    let header = first_header(request, "x-user-id");
    match (query.first("user_id"), header) {
        (Some(asked), Some(header)) if asked.contains(' ') && header.replace('+', " ") == asked => Some(header),
        (Some(asked), _) => Some(asked.to_owned()),
        (None, header) => header,
    }
}

/// `X-Agent-Name`, verbatim; empty is absent.
pub(crate) fn agent_name(request: &http::request::Parts) -> Option<String> {
    first_header(request, "x-agent-name")
}

fn first_header(request: &http::request::Parts, name: &str) -> Option<String> {
    let value = String::from_utf8_lossy(request.headers.get(name)?.as_bytes());
    Some(value.trim_matches([' ', '\t']).to_owned()).filter(|value| !value.is_empty())
}
