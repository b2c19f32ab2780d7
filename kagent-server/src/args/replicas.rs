//! What this process does among its replicas: which components it has, and how it takes part in the election.

use kagent_core::leader::ElectionTimes;

use super::{Database, go::parse_bool, parse::parse_timeout, values::Values};

/// What this process does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Components {
    /// REST, A2A and cards.
    pub api: bool,
    /// Reconciles, when it leads.
    pub controllers: bool,
}

/// How this process takes part in the election.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ElectionArgs {
    /// Where the election is.
    pub lock: ElectionLock,
    /// Its durations.
    pub times: ElectionTimes,
}

/// Where an election is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ElectionLock {
    /// A Lease of the cluster.
    #[default]
    Leases,
    /// A row of the database.
    Postgres,
}

pub(super) fn read_components(values: &mut Values, database: &Database, is_standalone: bool) -> Components {
    let components = values.parse("components", parse_components);
    if components.api && components.controllers {
        return components;
    }
    if is_standalone {
        values.problem("--standalone needs both --components: its agents belong to this process".to_owned());
    } else if matches!(database, Database::Sqlite(_)) {
        values.problem("one of --components alone needs Postgres: an SQLite file belongs to one process".to_owned());
    }
    components
}

/// `None` without an election.
pub(super) fn read_election(values: &mut Values, database: &Database, is_standalone: bool) -> Option<ElectionArgs> {
    let is_on = values.parse("leader-elect", parse_bool);
    let lock = values.parse("leader-elect-resource-lock", parse_lock);
    let times = ElectionTimes {
        lease_duration: values.parse("leader-elect-lease-duration", parse_timeout),
        renew_deadline: values.parse("leader-elect-renew-deadline", parse_timeout),
        retry_period: values.parse("leader-elect-retry-period", parse_timeout),
    };
    if !is_on {
        return None;
    }
    if let Err(error) = times.check() {
        values.problem(format!(
            "the durations of --leader-elect do not fit together: {}",
            error.message()
        ));
    }
    if is_standalone {
        values.problem("--leader-elect is for replicas in a cluster, and --standalone is one process".to_owned());
    } else if matches!(database, Database::Sqlite(_)) {
        values.problem("--leader-elect needs Postgres: an SQLite file belongs to one replica".to_owned());
    }
    Some(ElectionArgs { lock, times })
}

fn parse_components(text: &str) -> Result<Components, String> {
    let mut components = Components::default();
    for component in text.split(',').map(str::trim).filter(|component| !component.is_empty()) {
        match component {
            "api" => components.api = true,
            "controllers" => components.controllers = true,
            other => return Err(format!("names {other:?}; there are api and controllers")),
        }
    }
    if components == Components::default() {
        return Err("must be api, controllers, or both".to_owned());
    }
    Ok(components)
}

fn parse_lock(text: &str) -> Result<ElectionLock, String> {
    match text {
        "leases" => Ok(ElectionLock::Leases),
        "postgres" => Ok(ElectionLock::Postgres),
        _ => Err("must be leases or postgres".to_owned()),
    }
}
