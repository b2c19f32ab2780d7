//! What the tests need beyond cargo, fetched once with progress: Python agents and a Postgres.

pub(crate) mod postgres;
pub(crate) mod python;
