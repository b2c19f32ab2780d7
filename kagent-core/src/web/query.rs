//! Query strings as an extractor; how they are read is Go's business.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

pub use crate::gocompat::Query;

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&request.uri))
    }
}
