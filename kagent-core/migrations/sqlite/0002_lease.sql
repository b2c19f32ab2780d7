-- Who leads (see the migration of the same number for Postgres). Times are microseconds since 1970.
CREATE TABLE kagent_rs_lease (
    name            TEXT NOT NULL,
    holder          TEXT NOT NULL,
    epoch           INTEGER NOT NULL,
    acquired_at     INTEGER NOT NULL,
    renewed_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT;
