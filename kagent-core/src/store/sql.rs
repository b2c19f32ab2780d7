//! What both SQL engines share: the time type, the check of text, and what a database's failure means to callers.

use jiff::Timestamp;

use super::leases::LeaseClaim;
use crate::error::{Error, ErrorKind, Result};

/// An instant in a column: INTEGER microseconds in SQLite, TIMESTAMPTZ in Postgres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DbTime(pub(super) Timestamp);

impl DbTime {
    /// Postgres knows `infinity` and years after 9999; such a row is read as the last instant that we can name.
    fn from_microseconds(microseconds: i64) -> Self {
        Self(
            Timestamp::from_microsecond(microseconds).unwrap_or(if microseconds < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            }),
        )
    }
}

/// The instant of a nullable column.
pub(super) fn timestamp(time: Option<DbTime>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

#[cfg(feature = "sqlite")]
mod sqlite_time {
    use sqlx::{
        Decode, Encode, Sqlite, Type,
        encode::IsNull,
        error::BoxDynError,
        sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
    };

    use super::DbTime;

    impl Type<Sqlite> for DbTime {
        fn type_info() -> SqliteTypeInfo {
            <i64 as Type<Sqlite>>::type_info()
        }

        fn compatible(column: &SqliteTypeInfo) -> bool {
            <i64 as Type<Sqlite>>::compatible(column)
        }
    }

    impl Encode<'_, Sqlite> for DbTime {
        fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
            Encode::<Sqlite>::encode(self.0.as_microsecond(), buffer)
        }
    }

    impl Decode<'_, Sqlite> for DbTime {
        fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
            Ok(Self::from_microseconds(<i64 as Decode<'_, Sqlite>>::decode(value)?))
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres_time {
    use sqlx::{
        Decode, Encode, Postgres, Type,
        encode::IsNull,
        error::BoxDynError,
        postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid},
    };

    use super::DbTime;

    /// The type's number in `pg_type`, which never changes.
    const TIMESTAMPTZ: Oid = Oid(1184);
    /// Postgres counts microseconds from 2000-01-01.
    const EPOCH: i64 = 946_684_800_000_000;

    impl Type<Postgres> for DbTime {
        fn type_info() -> PgTypeInfo {
            PgTypeInfo::with_oid(TIMESTAMPTZ)
        }
    }

    impl Encode<'_, Postgres> for DbTime {
        fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
            Encode::<Postgres>::encode(self.0.as_microsecond() - EPOCH, buffer)
        }
    }

    impl Decode<'_, Postgres> for DbTime {
        fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
            match value.format() {
                PgValueFormat::Binary => {
                    let microseconds = <i64 as Decode<'_, Postgres>>::decode(value)?;
                    Ok(Self::from_microseconds(microseconds.saturating_add(EPOCH)))
                }
                PgValueFormat::Text => Ok(Self(value.as_str()?.parse()?)),
            }
        }
    }
}

/// Refuses U+0000, which Postgres cannot keep in text; both engines refuse it so that they stay interchangeable.
pub(super) fn check_text(fields: &[(&str, Option<&str>)]) -> Result<()> {
    match fields
        .iter()
        .find(|(_, text)| text.is_some_and(|text| text.contains('\0')))
    {
        Some((name, _)) => Err(Error::invalid(format!("{name} contains the character U+0000"))),
        None => Ok(()),
    }
}

/// Refuses a claim that no engine can keep; its duration in microseconds.
pub(super) fn check_lease(claim: &LeaseClaim) -> Result<i64> {
    check_text(&[("lease name", Some(&claim.name)), ("lease holder", Some(&claim.holder))])?;
    if claim.holder.is_empty() {
        return Err(Error::invalid("a lease needs a holder"));
    }
    i64::try_from(claim.duration.as_micros())
        .map_err(|error| Error::invalid("the lease duration is too long").with_source(error))
}

/// Refuses what the column type `json` of Postgres would refuse.
pub(super) fn check_json(name: &str, text: Option<&str>) -> Result<()> {
    match text.map(serde_json::from_str::<serde::de::IgnoredAny>) {
        Some(Err(error)) => Err(Error::invalid(format!("{name} is not JSON")).with_source(error)),
        _ => Ok(()),
    }
}

/// What a failure means to the caller. The database's own words go to the log only.
pub(super) fn map_error(error: sqlx::Error) -> Error {
    use sqlx::Error as Sql;
    let (kind, message) = match &error {
        Sql::PoolTimedOut => (ErrorKind::Unavailable, "the database did not give a connection in time"),
        Sql::Io(_) | Sql::PoolClosed | Sql::WorkerCrashed => (ErrorKind::Unavailable, "the database does not answer"),
        Sql::Tls(_) => (ErrorKind::Unavailable, "no TLS connection to the database"),
        Sql::Database(refusal) => match refusal.code() {
            #[cfg(feature = "sqlite")]
            Some(code) if refusal.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() => sqlite_failure(&code),
            Some(code) => postgres_failure(&code),
            None => UNEXPECTED,
        },
        _ => UNEXPECTED,
    };
    Error::new(kind, message).with_source(error)
}

const UNEXPECTED: (ErrorKind, &str) = (ErrorKind::Internal, "the database failed");

/// By primary result code, the low byte of the extended ones (sqlite.org/rescode.html).
#[cfg(feature = "sqlite")]
fn sqlite_failure(code: &str) -> (ErrorKind, &'static str) {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => (ErrorKind::Unavailable, "the database is locked by another process"),
        Ok(8) => (ErrorKind::Unavailable, "the database file cannot be written"),
        Ok(10 | 14) => (ErrorKind::Unavailable, "the database file cannot be read or written"),
        Ok(13) => (ErrorKind::Unavailable, "the disk of the database is full"),
        Ok(18) => (ErrorKind::Invalid, "a value is too large for the database"),
        Ok(11 | 26) => (ErrorKind::Internal, "the database file is damaged"),
        _ => UNEXPECTED,
    }
}

/// By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html).
fn postgres_failure(code: &str) -> (ErrorKind, &'static str) {
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "57014") => (ErrorKind::Unavailable, "the database took too long"),
        ("08" | "57" | "58", _) => (ErrorKind::Unavailable, "the database does not answer"),
        (_, "53100") => (ErrorKind::Unavailable, "the disk of the database is full"),
        ("53", _) => (ErrorKind::Unavailable, "the database is overloaded"),
        ("40", _) | (_, "55P03") => (ErrorKind::Unavailable, "the database was busy with the same rows"),
        (_, "25006") => (ErrorKind::Unavailable, "the database is read-only at the moment"),
        ("28", _) => (ErrorKind::Unavailable, "the database refuses the login"),
        (_, "3D000") => (ErrorKind::Unavailable, "the database does not exist"),
        ("22", _) => (ErrorKind::Invalid, "the database cannot keep this value"),
        ("54", _) => (ErrorKind::Invalid, "an id or a name is too long for the database"),
        (_, "23505") => (ErrorKind::AlreadyExists, "there is such a row already"),
        _ => UNEXPECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_unavailable() {
        for code in ["08006", "57P01", "57P03", "53300", "40P01", "25006", "28P01", "57014"] {
            assert_eq!(postgres_failure(code).0, ErrorKind::Unavailable, "{code}");
        }
        let refused = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert_eq!(map_error(refused).kind(), ErrorKind::Unavailable);
        assert_eq!(map_error(sqlx::Error::PoolTimedOut).kind(), ErrorKind::Unavailable);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_that_cannot_be_written_now_is_unavailable() {
        // Busy, busy in a snapshot, read-only, I/O while writing, cannot open, full.
        for code in ["5", "517", "8", "778", "14", "13"] {
            assert_eq!(sqlite_failure(code).0, ErrorKind::Unavailable, "{code}");
        }
        assert_eq!(
            sqlite_failure("2067").0,
            ErrorKind::Internal,
            "a broken constraint is a fault of ours"
        );
    }

    #[test]
    fn a_fault_of_ours_is_internal() {
        assert_eq!(postgres_failure("42P01").0, ErrorKind::Internal);
        assert_eq!(map_error(sqlx::Error::RowNotFound).kind(), ErrorKind::Internal);
    }

    #[test]
    fn instants_beyond_ours_are_the_last_one() {
        assert_eq!(DbTime::from_microseconds(i64::MAX).0, Timestamp::MAX);
        assert_eq!(DbTime::from_microseconds(i64::MIN).0, Timestamp::MIN);
    }

    #[test]
    fn the_field_with_a_nul_is_named() {
        let error = check_text(&[("id", Some("a")), ("name", Some("b\0"))]).expect_err("accepted");
        assert_eq!(error.message(), "name contains the character U+0000");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
