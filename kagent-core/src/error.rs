//! The error of the library, closed by what the caller can do about it.
//!
//! The message is for clients; the cause is for the log only. `Display` shows the message alone, and nothing but
//! [`Error::chain`] prints causes, so that an internal text cannot reach a client by accident.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can be done about an [`Error`]; decides the status code of the HTTP answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist, or the caller may not know that it does (404).
    NotFound,
    /// The thing exists already (409).
    AlreadyExists,
    /// The request can never succeed as it is (400).
    Invalid,
    /// The request is well formed, but validation refuses what it asks for (422).
    Rejected,
    /// The thing was changed by somebody else in the meantime; read it again and retry (409).
    Conflict,
    /// Nobody knows who is asking (401).
    Unauthenticated,
    /// The caller is known and may not do this (403).
    Forbidden,
    /// Something that is needed is away for now; retry later (503).
    Unavailable,
    /// A fault of ours or of what we depend on (500).
    Internal,
}

/// An error with a message for clients and a cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

/// `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` whose `message` clients may read.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause, which is logged and never shown to clients.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// See [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// See [`ErrorKind::AlreadyExists`].
    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::AlreadyExists, message)
    }

    /// See [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// See [`ErrorKind::Rejected`].
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, message)
    }

    /// See [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// See [`ErrorKind::Unauthenticated`].
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }

    /// See [`ErrorKind::Forbidden`].
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// See [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// See [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text for clients.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts what *we* were doing in front: `context: message`. The kind and the cause stay.
    #[must_use]
    pub fn context(mut self, context: &str) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Message and all causes in one line, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// An error and all its causes in one line, outermost first, separated by `: `.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_hides_the_cause_and_chain_shows_it() {
        let error = Error::unavailable("the database does not answer").with_source("connection refused");
        assert_eq!(error.to_string(), "the database does not answer");
        assert_eq!(error.chain(), "the database does not answer: connection refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
