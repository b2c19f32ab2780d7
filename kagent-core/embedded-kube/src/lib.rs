//! kagent-core/embedded-kube.
