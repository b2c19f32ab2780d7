//! Who calls: the extractor that authenticates. A handler without it is open to everybody.

use std::{convert::Infallible, sync::Arc};

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::error::Failure;
use crate::auth::{Authenticator, Principal, claimed_user};

/// The part of a router's state that tells who calls.
#[derive(Clone)]
pub struct AuthState(pub Arc<dyn Authenticator>);

/// The authenticated caller of a request.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    AuthState: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(request: &mut Parts, state: &S) -> Result<Self, Failure> {
        let AuthState(authenticator) = AuthState::from_ref(state);
        Ok(Self(authenticator.authenticate(request).await?))
    }
}

/// The user that the request names itself (`user_id` in the query, else `X-User-ID`), proven or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimedUser(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for ClaimedUser {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(claimed_user(request)))
    }
}
