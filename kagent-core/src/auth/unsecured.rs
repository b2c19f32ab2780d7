//! Believes what the request says: query parameter, then header, then the default user. For one user's own machine and
//! for clusters where the network is the boundary.

use async_trait::async_trait;
use http::request::Parts;

use super::{Authenticator, Principal, agent_name, claimed_user};
use crate::error::Result;

/// The user of requests that name none.
pub const DEFAULT_USER: &str = "admin@kagent.dev";

/// `--auth-mode unsecure`. Never refuses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsecured;

#[async_trait]
impl Authenticator for Unsecured {
    async fn authenticate(&self, request: &Parts) -> Result<Principal> {
        Ok(Principal {
            user_id: claimed_user(request).unwrap_or_else(|| DEFAULT_USER.to_owned()),
            agent_id: agent_name(request),
            claims: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn user(path: &str, header: Option<&str>) -> String {
        let mut request = http::Request::builder().uri(path);
        if let Some(value) = header {
            request = request.header("X-User-ID", value);
        }
        let (parts, ()) = request.body(()).expect("request").into_parts();
        Unsecured.authenticate(&parts).await.expect("never refuses").user_id
    }

    #[tokio::test]
    async fn query_beats_header_beats_default() {
        assert_eq!(user("/api/me?user_id=q", Some("h")).await, "q");
        assert_eq!(user("/api/me?user_id=", Some("h")).await, "h");
        assert_eq!(user("/api/me", None).await, DEFAULT_USER);
    }

    #[tokio::test]
    async fn a_plus_that_became_a_blank_is_repaired_from_the_header() {
        assert_eq!(user("/api/me?user_id=a+b@x", Some("a+b@x")).await, "a+b@x");
        assert_eq!(user("/api/me?user_id=a+b@x", Some("other")).await, "a b@x");
    }
}
