//! Which database: SQLite unless a Postgres URL is given, and never one by accident where both are.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{StandaloneArgs, values::Values};

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A Postgres URL, with its password.
    Postgres(SecretString),
}

pub(super) fn read_database(values: &mut Values, standalone: Option<&StandaloneArgs>) -> Database {
    let url = match values.optional("postgres-database-url-file") {
        Some(file) => match std::fs::read_to_string(&file) {
            Ok(content) if !content.trim().is_empty() => Some(content.trim().to_owned()),
            Ok(_) => {
                values.problem(format!("the file {file} of postgres-database-url-file is empty"));
                None
            }
            Err(error) => {
                values.problem(format!(
                    "cannot read the file {file} of postgres-database-url-file: {error}"
                ));
                None
            }
        },
        None => values.optional("postgres-database-url"),
    };
    let file = values.optional("sqlite-database-path");
    let wants_postgres = match values.text("database-type").as_str() {
        "" if url.is_some() && file.is_some() => {
            values.problem("both a Postgres URL and an SQLite file are given: say --database-type".to_owned());
            true
        }
        "" => url.is_some(),
        "postgres" if url.is_none() => {
            values.problem("--database-type=postgres needs --postgres-database-url or its file".to_owned());
            true
        }
        "postgres" => true,
        "sqlite" => false,
        other => {
            values.problem(format!("--database-type={other:?} must be sqlite or postgres"));
            false
        }
    };
    match url {
        Some(url) if wants_postgres => {
            let scheme = url.split(':').next().unwrap_or_default();
            if !matches!(scheme, "postgres" | "postgresql") {
                values.problem("the Postgres URL must begin with postgres://".to_owned());
            }
            Database::Postgres(SecretString::from(url))
        }
        _ => Database::Sqlite(match (file, standalone) {
            (Some(file), _) => PathBuf::from(file),
            (None, Some(standalone)) => standalone.state_dir.join("kagent.db"),
            (None, None) => PathBuf::from("kagent.db"),
        }),
    }
}
