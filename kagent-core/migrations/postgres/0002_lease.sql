-- Who leads, by the database's clock. A table of ours: the Go controller does not know it.

CREATE TABLE IF NOT EXISTS kagent_rs_lease (
    name            TEXT NOT NULL,
    holder          TEXT NOT NULL,
    epoch           BIGINT NOT NULL,
    acquired_at     TIMESTAMPTZ NOT NULL,
    renewed_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name)
);
