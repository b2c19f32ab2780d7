//! Reads a Postgres URL the way that operators of the Go controller write it (libpq and pgx parameters).

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::Url;

use crate::{
    error::{Error, Result},
    store::StoreConfig,
};

/// Which parameters sqlx reads by itself.
const KNOWN: [&str; 20] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
    "search_path",
    "pool_max_conns",
    "default_query_exec_mode",
];

/// What a URL and the configuration come to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    pub(super) max_connections: u32,
    pub(super) transaction_pooler: bool,
}

/// Reads the URL. Its text is in no error and in no log, because of the password.
pub(super) fn parse(config: &StoreConfig) -> Result<Target> {
    let mut url = Url::parse(config.url.expose_secret())
        .map_err(|error| Error::invalid(format!("the Postgres URL cannot be read: {error}")))?;
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut target = Target {
        options: PgConnectOptions::new_without_pgpass(),
        max_connections: config.max_connections,
        transaction_pooler: config.transaction_pooler,
    };
    let mut search_path = None;
    // What sqlx does not know it would log together with its value.
    let mut passed_on = Vec::new();
    for (key, value) in parameters {
        match key.as_str() {
            "search_path" => search_path = Some(value),
            "pool_max_conns" => target.max_connections = parse_count(&key, &value)?,
            "default_query_exec_mode" => target.transaction_pooler |= !value.starts_with("cache_"),
            key if KNOWN.contains(&key) || key.starts_with("options[") => passed_on.push((key.to_owned(), value)),
            key => tracing::warn!(parameter = key, "a parameter of the Postgres URL is not used"),
        }
    }
    url.set_query(None);
    if !passed_on.is_empty() {
        url.query_pairs_mut().extend_pairs(passed_on);
    }
    let options = PgConnectOptions::from_url(&url).map_err(refuse)?;
    let mut options = options
        // A start-up parameter that poolers refuse; no column here is a float.
        .extra_float_digits(None)
        .disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("kagent-core");
    }
    if let Some(search_path) = search_path {
        options = options.options([("search_path", search_path)]);
    }
    if target.transaction_pooler {
        // Poolers refuse start-up options too; the deadline of calls is then kept on this side alone.
        options = options.statement_cache_capacity(0);
    } else {
        let milliseconds = statement_timeout(config.call_timeout).as_millis().to_string();
        options = options.options([("statement_timeout", milliseconds)]);
    }
    target.options = options;
    Ok(target)
}

/// The server gives up a little after we did, so that its own message never hides ours.
fn statement_timeout(call_timeout: Duration) -> Duration {
    call_timeout + Duration::from_secs(1)
}

fn parse_count(key: &str, value: &str) -> Result<u32> {
    match value.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::invalid(format!(
            "{key} in the Postgres URL must be a number above 0"
        ))),
    }
}

fn refuse(error: sqlx::Error) -> Error {
    Error::invalid("the Postgres URL has a parameter with a value that cannot be used").with_source(error)
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::*;

    fn target(url: &str) -> Target {
        parse(&StoreConfig::new(url)).expect("a valid URL")
    }

    #[test]
    fn parameters_of_libpq_and_pgx_are_understood() {
        let found = target("postgres://u:p%40ss@db.example:6432/kagent?sslmode=require&pool_max_conns=7&search_path=k");
        assert_eq!(found.options.get_host(), "db.example");
        assert_eq!(found.options.get_port(), 6432);
        assert_eq!(found.options.get_database(), Some("kagent"));
        assert!(matches!(found.options.get_ssl_mode(), PgSslMode::Require));
        assert_eq!(found.max_connections, 7);
        assert!(!found.transaction_pooler);
        let options = found.options.get_options().expect("start-up options");
        assert!(options.contains("search_path=k"), "{options}");
        assert!(options.contains("statement_timeout=16000"), "{options}");
    }

    #[test]
    fn pgx_without_prepared_statements_means_a_transaction_pooler() {
        for mode in ["simple_protocol", "exec", "describe_exec"] {
            let found = target(&format!("postgres://u@db/kagent?default_query_exec_mode={mode}"));
            assert!(found.transaction_pooler, "{mode}");
            assert_eq!(found.options.get_options(), None);
        }
        assert!(!target("postgres://u@db/kagent?default_query_exec_mode=cache_describe").transaction_pooler);
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in [
            "postgres://u:geheim@db:99999999/kagent",
            "postgres://u:geheim@db/kagent?sslmode=maybe",
            "postgres://u:geheim@db/kagent?pool_max_conns=0",
        ] {
            let error = parse(&StoreConfig::new(url)).expect_err("accepted");
            assert!(!error.chain().contains("geheim"), "{}", error.chain());
        }
    }
}
