//! An SQLite database in a directory of its own, which goes with the value.

use std::path::PathBuf;

use tempfile::TempDir;

/// A place for one database file; nothing is in it at first.
pub struct TestSqlite {
    directory: TempDir,
}

impl TestSqlite {
    /// A new, empty place.
    ///
    /// # Panics
    /// When the system's temporary directory cannot be written.
    pub fn create() -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory can be written");
        Self { directory }
    }

    /// The path of the database file.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("kagent.db")
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }
}
