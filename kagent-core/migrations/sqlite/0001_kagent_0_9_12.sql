-- The tables of kagent 0.9.12 (see the migration of the same number for Postgres). Times are microseconds since 1970;
-- booleans are 0 and 1. Indexes on deleted_at are left out: nearly every row has NULL there.
CREATE TABLE agent (
    id              TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    type            TEXT NOT NULL,
    config          TEXT,
    workload_type   TEXT NOT NULL DEFAULT 'deployment',
    PRIMARY KEY (id)
) STRICT;

CREATE TABLE session (
    id              TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    name            TEXT,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    agent_id        TEXT,
    source          TEXT,
    PRIMARY KEY (id, user_id)
) STRICT;
CREATE INDEX idx_session_name ON session (name);
CREATE INDEX idx_session_agent_id ON session (agent_id);
CREATE INDEX idx_session_source ON session (source);

CREATE TABLE event (
    id              TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    session_id      TEXT,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    data            TEXT NOT NULL,
    PRIMARY KEY (id, user_id)
) STRICT;
CREATE INDEX idx_event_session_id ON event (session_id);

CREATE TABLE task (
    id               TEXT NOT NULL,
    created_at       INTEGER,
    updated_at       INTEGER,
    deleted_at       INTEGER,
    data             TEXT NOT NULL,
    session_id       TEXT,
    protocol_version TEXT,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX idx_task_session_id ON task (session_id);

CREATE TABLE push_notification (
    id               TEXT NOT NULL,
    task_id          TEXT NOT NULL,
    created_at       INTEGER,
    updated_at       INTEGER,
    deleted_at       INTEGER,
    data             TEXT NOT NULL,
    protocol_version TEXT,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX idx_push_notification_task_id ON push_notification (task_id);

CREATE TABLE feedback (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    user_id         TEXT NOT NULL,
    message_id      INTEGER,
    is_positive     INTEGER NOT NULL DEFAULT 0,
    feedback_text   TEXT NOT NULL,
    issue_type      TEXT
) STRICT;
CREATE INDEX idx_feedback_user_id ON feedback (user_id);
CREATE INDEX idx_feedback_message_id ON feedback (message_id);

CREATE TABLE tool (
    id              TEXT NOT NULL,
    server_name     TEXT NOT NULL,
    group_kind      TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    description     TEXT,
    PRIMARY KEY (id, server_name, group_kind)
) STRICT;

CREATE TABLE toolserver (
    name            TEXT NOT NULL,
    group_kind      TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    description     TEXT,
    last_connected  INTEGER,
    PRIMARY KEY (name, group_kind)
) STRICT;

CREATE TABLE lg_checkpoint (
    user_id              TEXT NOT NULL,
    thread_id            TEXT NOT NULL,
    checkpoint_ns        TEXT NOT NULL DEFAULT '',
    checkpoint_id        TEXT NOT NULL,
    parent_checkpoint_id TEXT,
    created_at           INTEGER,
    updated_at           INTEGER,
    deleted_at           INTEGER,
    metadata             TEXT NOT NULL,
    checkpoint           TEXT NOT NULL,
    checkpoint_type      TEXT NOT NULL,
    version              INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (user_id, thread_id, checkpoint_ns, checkpoint_id)
) STRICT;
CREATE INDEX idx_lg_checkpoint_parent_checkpoint_id ON lg_checkpoint (parent_checkpoint_id);
CREATE INDEX idx_lgcp_list ON lg_checkpoint (created_at);

CREATE TABLE lg_checkpoint_write (
    user_id         TEXT NOT NULL,
    thread_id       TEXT NOT NULL,
    checkpoint_ns   TEXT NOT NULL DEFAULT '',
    checkpoint_id   TEXT NOT NULL,
    write_idx       INTEGER NOT NULL,
    value           TEXT NOT NULL,
    value_type      TEXT NOT NULL,
    channel         TEXT NOT NULL,
    task_id         TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    PRIMARY KEY (user_id, thread_id, checkpoint_ns, checkpoint_id, write_idx)
) STRICT;

CREATE TABLE crewai_agent_memory (
    user_id         TEXT NOT NULL,
    thread_id       TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    memory_data     TEXT NOT NULL,
    PRIMARY KEY (user_id, thread_id)
) STRICT;
CREATE INDEX idx_crewai_memory_list ON crewai_agent_memory (created_at);

CREATE TABLE crewai_flow_state (
    user_id         TEXT NOT NULL,
    thread_id       TEXT NOT NULL,
    method_name     TEXT NOT NULL,
    created_at      INTEGER,
    updated_at      INTEGER,
    deleted_at      INTEGER,
    state_data      TEXT NOT NULL,
    PRIMARY KEY (user_id, thread_id, method_name)
) STRICT;
CREATE INDEX idx_crewai_flow_state_list ON crewai_flow_state (created_at);
