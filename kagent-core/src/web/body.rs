//! Bodies: JSON in by Go's rules and below a limit, JSON out as Go writes it.

use axum::{
    extract::{FromRef, FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kagent_api::wire::Envelope;
use serde::Serialize;

use super::error::Failure;
use crate::{
    error::Error,
    gocompat::{Fields, Json, escape_html, parse_first},
};

/// How large a body may be, in bytes. Part of the router's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BodyLimit(pub usize);

/// The first JSON value of the body. `Content-Type` is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonBody(pub Json);

impl<S: Send + Sync> FromRequest<S> for JsonBody
where
    BodyLimit: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let BodyLimit(limit) = BodyLimit::from_ref(state);
        let body = Limited::new(request.into_body(), limit)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Failure::BodyTooLarge(limit),
                None => Error::invalid("Invalid request body: it ended too early")
                    .with_source(error)
                    .into(),
            })?
            .to_bytes();
        parse_first(&body)
            .map(Self)
            .map_err(|reason| Error::invalid(format!("Invalid request body: {reason}")).into())
    }
}

/// Takes what a request wants out of its body; `go_type` is the type that error texts name.
///
/// # Errors
/// `Invalid` with `read`'s reason, or when the body is no object.
pub fn decode<T>(
    JsonBody(json): &JsonBody,
    go_type: &'static str,
    read: impl FnOnce(&Fields<'_>) -> Result<T, String>,
) -> Result<T, Error> {
    Fields::of_body(json, go_type)
        .and_then(|fields| read(&fields))
        .map_err(|reason| Error::invalid(format!("Invalid request body: {reason}")))
}

/// JSON text as Go's encoder writes it.
pub(crate) fn encode(value: &impl Serialize) -> String {
    // Our wire types have string keys and no serialiser that fails.
    let text = serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "answer cannot be written as JSON");
        r#"{"error":"Internal server error"}"#.to_owned()
    });
    escape_html(&text).into_owned()
}

pub(crate) fn json_text(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A JSON answer without envelope.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_text(status, encode(value))
}

/// `{"error":false,"data":…,"message":…}`.
pub fn success(status: StatusCode, data: impl Serialize, message: &str) -> Response {
    json(status, &Envelope::new(data, message))
}
