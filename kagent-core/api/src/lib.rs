//! kagent-core/api.
