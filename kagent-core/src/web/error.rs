//! Errors as answers: the one place that turns an [`Error`] into a status and a body.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::body;
use crate::error::{Error, ErrorKind};

/// Why a request is not answered with success.
#[derive(Debug)]
pub enum Failure {
    /// A rule, the store or the cluster says no.
    Error(Error),
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
}

/// What handlers return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => error_response(&error),
            Self::BodyTooLarge(limit) => error_body(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("Request body is larger than {limit} bytes"),
            ),
        }
    }
}

/// The status that an error has on the wire.
pub fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer to a request that failed. A fault of ours is logged here, with its causes, and nowhere else.
pub fn error_response(error: &Error) -> Response {
    let status = status_of(error.kind());
    if error.kind() == ErrorKind::Unauthenticated {
        tracing::debug!(reason = %error.chain(), "request is not authenticated");
        return plain_text(status, "Unauthorized\n");
    }
    if status.is_server_error() {
        tracing::error!(http.status = status.as_u16(), error = %error.chain(), "request failed");
    }
    error_body(status, error.message())
}

/// `{"error": "…"}` and a newline, as the Go controller ends error bodies.
fn error_body(status: StatusCode, message: &str) -> Response {
    body::json_text(status, body::encode(&serde_json::json!({ "error": message })) + "\n")
}

/// Plain text, as Go's `http.Error` sends it.
pub(crate) fn plain_text(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
