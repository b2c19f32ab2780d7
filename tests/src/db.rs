//! Databases for tests: each test has its own, and nothing is left of it afterwards.

pub mod postgres;
pub mod sqlite;

pub use postgres::{TestPostgres, TestSchema};
pub use sqlite::TestSqlite;
