//! What the tests need beyond cargo, fetched once with progress: Python agents, a Postgres, a Kubernetes control plane.

pub(crate) mod kube;
pub(crate) mod postgres;
pub(crate) mod python;
