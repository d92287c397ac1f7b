-- Times are ISO 8601 texts in UTC, or seconds since 1970 (REAL) where only their order and length count.

CREATE TABLE users (
    username      TEXT PRIMARY KEY,
    full_name     TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key      TEXT PRIMARY KEY,   -- SHA-256 of the session id
    username TEXT NOT NULL REFERENCES users,
    used_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE login_failures (
    username TEXT NOT NULL,      -- as typed: there may be no such user
    address  TEXT NOT NULL,
    at       REAL NOT NULL
) STRICT;
CREATE INDEX login_failures_of ON login_failures (username, address, at);
CREATE INDEX login_failures_at ON login_failures (at);

CREATE TABLE cycles (
    cycle  TEXT PRIMARY KEY,
    closed INTEGER NOT NULL DEFAULT 0,
    total  INTEGER NOT NULL DEFAULT 0   -- jobs read by all; the sum of its tallies
) STRICT, WITHOUT ROWID;

CREATE TABLE tallies (
    cycle    TEXT NOT NULL REFERENCES cycles,
    username TEXT NOT NULL REFERENCES users,
    count    INTEGER NOT NULL,          -- jobs whose counting reading is by this user
    PRIMARY KEY (cycle, username)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY,
    meter          TEXT NOT NULL,
    kind           TEXT NOT NULL,
    dials          INTEGER,
    address        TEXT NOT NULL,
    instructions   TEXT NOT NULL,
    cycle          TEXT NOT NULL REFERENCES cycles,
    route          TEXT NOT NULL,       -- empty for a meter that the demo made up
    sequence       INTEGER NOT NULL,
    previous       INTEGER,
    previous_date  TEXT,
    lease_username TEXT REFERENCES users,
    lease_session  TEXT,                -- NULL: the connection ended, the job stays with its reader
    lease_until    REAL,
    reading        INTEGER REFERENCES readings,  -- the one that counts; NULL: not read yet
    UNIQUE (meter, cycle)
) STRICT;
CREATE INDEX jobs_unread ON jobs (cycle, route, sequence, meter) WHERE reading IS NULL;
CREATE INDEX jobs_leased ON jobs (lease_username) WHERE lease_username IS NOT NULL;

CREATE TABLE readings (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL REFERENCES jobs,
    username    TEXT NOT NULL REFERENCES users,
    value       INTEGER,                -- NULL: there is only a reason
    reason      TEXT NOT NULL,
    read_at     TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    key         TEXT
) STRICT;
CREATE UNIQUE INDEX readings_key ON readings (username, key) WHERE key IS NOT NULL;
