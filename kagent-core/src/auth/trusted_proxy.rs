//! Trusts a proxy in front that has verified the bearer token: reads its claims and does not verify it again. Use it
//! only where nobody can reach the server past that proxy.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{header, request::Parts};
use serde_json::{Map, Value};

use super::{Authenticator, Principal, agent_name, claimed_user};
use crate::error::{Error, Result};

/// `--auth-mode trusted-proxy`.
#[derive(Clone, Debug)]
pub struct TrustedProxy {
    user_id_claim: String,
}

impl TrustedProxy {
    /// Takes the user from `user_id_claim`, else from `sub`.
    pub fn new(user_id_claim: impl Into<String>) -> Self {
        Self {
            user_id_claim: user_id_claim.into(),
        }
    }

    fn user_of(&self, claims: &Map<String, Value>) -> Option<String> {
        [self.user_id_claim.as_str(), "sub"]
            .into_iter()
            .filter_map(|claim| claims.get(claim)?.as_str())
            .find(|user| !user.is_empty())
            .map(str::to_owned)
    }
}

#[async_trait]
impl Authenticator for TrustedProxy {
    async fn authenticate(&self, request: &Parts) -> Result<Principal> {
        let claims = bearer_claims(request)?;
        let no_user = || Error::unauthenticated("the token names no user");
        match agent_name(request) {
            // A user's own call: nothing but the token counts.
            None => Ok(Principal {
                user_id: self.user_of(&claims).ok_or_else(no_user)?,
                agent_id: None,
                claims: Some(claims),
            }),
            // An agent's call, on behalf of the user that it names.
            Some(agent) => {
                let subject = || {
                    claims
                        .get("sub")?
                        .as_str()
                        .filter(|sub| !sub.is_empty())
                        .map(str::to_owned)
                };
                Ok(Principal {
                    user_id: claimed_user(request).or_else(subject).ok_or_else(no_user)?,
                    agent_id: Some(agent),
                    claims: None,
                })
            }
        }
    }
}

/// The claims of the bearer token.
fn bearer_claims(request: &Parts) -> Result<Map<String, Value>> {
    let token = request
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| Error::unauthenticated("there is no bearer token"))?;
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts.as_slice() else {
        return Err(Error::unauthenticated("the bearer token is no JWT"));
    };
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|error| {
        Error::unauthenticated("the claims of the bearer token are not base64url").with_source(error)
    })?;
    serde_json::from_slice(&payload)
        .map_err(|error| Error::unauthenticated("the claims of the bearer token are no JSON object").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(claims: &str, headers: &[(&str, &str)], path: &str) -> Parts {
        let token = format!("Bearer a.{}.c", URL_SAFE_NO_PAD.encode(claims));
        let mut request = http::Request::builder().uri(path).header("Authorization", token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("request").into_parts().0
    }

    #[tokio::test]
    async fn a_users_call_is_the_tokens_user_whatever_else_it_says() {
        let proxy = TrustedProxy::new("email");
        let parts = request(
            r#"{"sub":"u","email":"e"}"#,
            &[("X-User-Id", "other")],
            "/?user_id=other",
        );
        let principal = proxy.authenticate(&parts).await.expect("authenticated");
        assert_eq!(principal.user_id, "e");
        let parts = request(r#"{"sub":"u","email":7}"#, &[], "/");
        assert_eq!(proxy.authenticate(&parts).await.expect("authenticated").user_id, "u");
    }

    #[tokio::test]
    async fn an_agents_call_names_its_user_but_needs_a_token() {
        let proxy = TrustedProxy::new("sub");
        let parts = request(r#"{"iss":"x"}"#, &[("X-Agent-Name", "a"), ("X-User-Id", "ann")], "/");
        let principal = proxy.authenticate(&parts).await.expect("authenticated");
        assert_eq!((principal.user_id.as_str(), principal.claims), ("ann", None));
        let (parts, ()) = http::Request::builder()
            .header("X-Agent-Name", "a")
            .header("X-User-Id", "ann")
            .body(())
            .expect("request")
            .into_parts();
        assert!(proxy.authenticate(&parts).await.is_err());
    }
}
