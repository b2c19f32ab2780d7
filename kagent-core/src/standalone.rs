//! Standalone mode: a directory of manifests, an in-process Kubernetes API, and agents as local processes.
