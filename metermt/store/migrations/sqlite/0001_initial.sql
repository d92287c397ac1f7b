-- Times are ISO 8601 texts in UTC, or seconds since 1970 (REAL) where only their order and length count.

CREATE TABLE users (
    username      TEXT PRIMARY KEY,
    full_name     TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL,
    role          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key      TEXT PRIMARY KEY,           -- a digest of the session id
    username TEXT NOT NULL REFERENCES users,
    used_at  REAL NOT NULL,
    server   TEXT,                       -- NULL: nobody is connected, its jobs are left to its reader
    ended    INTEGER NOT NULL DEFAULT 0, -- the row stays for as long as the session holds jobs
    route    TEXT,                       -- that its reader walks now; NULL: none yet
    reverse  INTEGER NOT NULL DEFAULT 0, -- 1: from its end
    assigned INTEGER NOT NULL DEFAULT 0  -- 1: because the office has said so
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (username);
CREATE INDEX sessions_used ON sessions (used_at);
CREATE INDEX sessions_ended ON sessions (key) WHERE ended = 1;

CREATE TABLE servers (
    name    TEXT PRIMARY KEY,            -- HOST/ADDRESS:PORT
    version TEXT NOT NULL,
    readers INTEGER NOT NULL,            -- sessions that are connected to it
    seen_at REAL NOT NULL                -- when it last said that it is alive
) STRICT, WITHOUT ROWID;

CREATE TABLE login_failures (
    username TEXT NOT NULL,              -- as typed: there may be no such user
    address  TEXT NOT NULL,
    at       REAL NOT NULL
) STRICT;
CREATE INDEX login_failures_of ON login_failures (username, address, at);
CREATE INDEX login_failures_at ON login_failures (at);

CREATE TABLE places (
    id           INTEGER PRIMARY KEY,
    meter        TEXT NOT NULL UNIQUE,   -- the device that hangs there now
    kind         TEXT NOT NULL,
    dials        INTEGER,
    address      TEXT NOT NULL,
    instructions TEXT NOT NULL,
    multiplier   TEXT NOT NULL,
    active       INTEGER NOT NULL,
    route        TEXT NOT NULL,          -- empty for a meter on no route
    sequence     INTEGER NOT NULL
) STRICT;
CREATE INDEX places_in_order ON places (route, sequence, meter);

-- What was read before there were jobs, or at an exchange. What was read for jobs stands in readings.
CREATE TABLE history (
    place     INTEGER NOT NULL REFERENCES places,
    read_on   TEXT NOT NULL,
    exchanged INTEGER NOT NULL,          -- 1: it is the first reading of a new device
    estimated INTEGER NOT NULL,          -- 1: nobody has read it
    value     INTEGER NOT NULL,
    PRIMARY KEY (place, read_on, exchanged)
) STRICT, WITHOUT ROWID;

CREATE TABLE cycles (
    cycle     TEXT PRIMARY KEY,
    closed    INTEGER NOT NULL DEFAULT 0,
    first_day TEXT,
    due       TEXT,                      -- the day by which it is to be read
    seasons   TEXT NOT NULL DEFAULT ''   -- how the town moved through the year, as far as was known then: JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX cycles_open ON cycles (cycle) WHERE closed = 0;

CREATE TABLE tallies (
    cycle    TEXT NOT NULL REFERENCES cycles,
    username TEXT NOT NULL REFERENCES users,
    count    INTEGER NOT NULL,           -- jobs done by this user
    PRIMARY KEY (cycle, username)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    meter         TEXT NOT NULL,
    kind          TEXT NOT NULL,
    dials         INTEGER,
    address       TEXT NOT NULL,
    instructions  TEXT NOT NULL,
    multiplier    TEXT NOT NULL,
    active        INTEGER NOT NULL,
    cycle         TEXT NOT NULL REFERENCES cycles,
    route         TEXT NOT NULL,         -- empty for a meter on no route
    sequence      INTEGER NOT NULL,
    previous      INTEGER,
    previous_date TEXT,
    place         INTEGER REFERENCES places,
    state         TEXT NOT NULL DEFAULT 'open',
    leased        INTEGER NOT NULL DEFAULT 0,    -- 1 while there is a lease of it
    handed_to     TEXT,                          -- whose the last lease was, also when it has ended
    reading       INTEGER REFERENCES readings,   -- the one that counts
    billing       TEXT NOT NULL DEFAULT '',      -- how far its result is on its way to billing
    note          TEXT NOT NULL DEFAULT '',      -- what a reader has left last about the place
    UNIQUE (cycle, meter)
) STRICT;
CREATE INDEX jobs_at ON jobs (place);
CREATE INDEX jobs_free ON jobs (route, cycle, sequence, meter) WHERE state = 'open' AND leased = 0;
-- By the reading: so new ones are written side by side, wherever their readers walk.
CREATE INDEX jobs_ready ON jobs (reading) WHERE billing = 'ready';
CREATE INDEX jobs_missed ON jobs (cycle) WHERE state = 'missed';
CREATE INDEX jobs_waiting ON jobs (id) WHERE billing = 'waiting';
CREATE INDEX jobs_again ON jobs (id) WHERE billing = 'again';
CREATE INDEX jobs_skipped ON jobs (route, cycle, sequence, meter) WHERE state = 'skipped' AND leased = 0;
-- For exports. Of all jobs, so that neither handing one out nor a reading writes to it. UNIQUE, as (cycle, meter) is: so
-- SQLite knows that the readings of one job come in order, and sorts nothing.
CREATE UNIQUE INDEX jobs_in_order ON jobs (cycle, route, sequence, meter);

-- Whose routes are whose. A route that is nobody's is anybody's who has none.
CREATE TABLE assignments (
    route    TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES users,
    reverse  INTEGER NOT NULL,           -- 1: walks it from its end
    PRIMARY KEY (route, username)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    job      INTEGER PRIMARY KEY REFERENCES jobs,
    username TEXT NOT NULL REFERENCES users,
    session  TEXT NOT NULL,
    until    REAL NOT NULL
) STRICT;
CREATE INDEX leases_of ON leases (session);
CREATE INDEX leases_until ON leases (until);

CREATE TABLE readings (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL REFERENCES jobs,
    username    TEXT REFERENCES users,   -- NULL: somebody who worked on the database itself
    value       INTEGER,                 -- NULL: there is only a reason
    reason      TEXT NOT NULL,
    read_at     TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    key         TEXT,
    quality     TEXT NOT NULL,
    flags       TEXT NOT NULL,           -- with blanks between
    cause       TEXT NOT NULL,           -- empty: none is likely
    code        TEXT                     -- of the reason; NULL: it is on no list, or there is none
) STRICT;
-- The key first: clients make keys that begin with the time, so that new ones are written side by side.
CREATE UNIQUE INDEX readings_key ON readings (key, username) WHERE key IS NOT NULL;
CREATE INDEX readings_of ON readings (job);
-- For the sums of closed cycles.
CREATE INDEX readings_unusual ON readings (job) WHERE value IS NULL OR quality = 'E';
-- For what a reader has sent last.
CREATE INDEX readings_by ON readings (username, id);

-- What the office has decided of results.
CREATE TABLE decisions (
    id         INTEGER PRIMARY KEY,
    job        INTEGER NOT NULL REFERENCES jobs,
    reading    INTEGER REFERENCES readings, -- the one that counted then; NULL: there was none
    verdict    TEXT NOT NULL,
    why        TEXT NOT NULL,
    username   TEXT NOT NULL,             -- empty: somebody who worked on the database itself
    decided_at TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_of ON decisions (job, id);

-- Devices that were taken down, and what was put up there instead.
CREATE TABLE exchanges (
    id         INTEGER PRIMARY KEY,
    place      INTEGER NOT NULL REFERENCES places,
    read_on    TEXT NOT NULL,
    old_meter  TEXT NOT NULL,
    new_meter  TEXT NOT NULL,
    final      INTEGER NOT NULL, -- what the old one showed last
    initial    INTEGER NOT NULL, -- what the new one showed first
    dials      INTEGER, -- of the old one, as the next one
    multiplier TEXT NOT NULL,
    username   TEXT NOT NULL, -- empty: somebody who worked on the database itself
    made_at    TEXT NOT NULL
) STRICT;
CREATE INDEX exchanges_at ON exchanges (place);
CREATE INDEX exchanges_of ON exchanges (old_meter);

-- What billing was given at once.
CREATE TABLE batches (
    number             INTEGER PRIMARY KEY,
    made_at            TEXT NOT NULL,
    made_by            TEXT NOT NULL, -- empty: somebody who worked on the database itself
    key                TEXT UNIQUE, -- the client's id for having it made: asked for again it is the same batch
    cycle              TEXT, -- NULL: all, as the next one
    route              TEXT,
    lines              INTEGER NOT NULL,
    sum_values         INTEGER NOT NULL,
    sum_registered_use INTEGER NOT NULL,
    sum_billed_use     TEXT NOT NULL,
    layout             TEXT NOT NULL,
    layout_text        TEXT NOT NULL,
    worked_at          REAL NOT NULL, -- when a line was added last
    whole              INTEGER NOT NULL -- 0: it is being made, or was cut off and is taken back by the next one
) STRICT;
CREATE TABLE batch_lines (
    batch   INTEGER NOT NULL REFERENCES batches,
    number  INTEGER NOT NULL,
    job     INTEGER NOT NULL REFERENCES jobs,
    reading INTEGER NOT NULL REFERENCES readings,
    kind    TEXT NOT NULL,
    line    TEXT NOT NULL,
    PRIMARY KEY (batch, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_lines_of ON batch_lines (job, batch);
-- What came after that corrects it.
CREATE UNIQUE INDEX billed_once ON batch_lines (job) WHERE kind = 'reading';

-- What a value is judged by, computed when a cycle is opened.
CREATE TABLE limits (
    job    INTEGER PRIMARY KEY REFERENCES jobs,
    limits TEXT NOT NULL
) STRICT;

-- What readers were asked to look at once more, and have not sent since.
CREATE TABLE looks (
    job      INTEGER PRIMARY KEY REFERENCES jobs,
    username TEXT NOT NULL,
    value    INTEGER NOT NULL,
    key      TEXT
) STRICT;

-- What the office has changed of the list of reasons that the program begins with, and added to it.
CREATE TABLE reasons (
    id             INTEGER PRIMARY KEY,
    code           TEXT NOT NULL UNIQUE,
    text           TEXT NOT NULL,
    wants_reread   INTEGER NOT NULL,
    allows_reading INTEGER NOT NULL,
    retired        INTEGER NOT NULL
) STRICT;

-- What readers have left about places, for the next one and for the office.
CREATE TABLE notes (
    id       INTEGER PRIMARY KEY,
    place    INTEGER NOT NULL REFERENCES places,
    text     TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES users,
    left_at  TEXT NOT NULL
) STRICT;
CREATE INDEX notes_of ON notes (place, id);

-- Meters that were found and are on no list.
CREATE TABLE found (
    id       INTEGER PRIMARY KEY,
    number   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    dials    INTEGER,
    reading  INTEGER,
    location TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES users,
    found_at TEXT NOT NULL,
    verdict    TEXT NOT NULL DEFAULT '', -- empty: nobody has decided of it
    why        TEXT NOT NULL DEFAULT '',
    decided_by TEXT,                     -- empty: somebody who worked on the database itself
    decided_at TEXT
) STRICT;
-- Who is told nothing, as the link has broken, says it again.
CREATE UNIQUE INDEX found_once
    ON found (number, username, location, kind, coalesce(dials, 0), coalesce(reading, -1));

-- What the office has set. The last one of a name is in force.
CREATE TABLE settings (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    username TEXT NOT NULL,              -- empty: somebody who worked on the database itself
    set_at   TEXT NOT NULL
) STRICT;

-- Who did what, as far as it has its place in the chain: each entry has a hash of itself and of the one before it. What
-- is looked for in it is found by going through all of it, as each index would cost every reading.
CREATE TABLE audit (
    place   INTEGER PRIMARY KEY,         -- from 1, without gaps
    at      TEXT NOT NULL,
    who     INTEGER,                     -- of names, as whom; NULL: somebody who worked on the database itself
    address TEXT NOT NULL,
    what    TEXT NOT NULL,
    about   TEXT NOT NULL,               -- a meter, a cycle, a route, a batch
    whom    INTEGER,
    before  TEXT NOT NULL,
    after   TEXT NOT NULL,
    hash    TEXT NOT NULL
) STRICT;

-- What waits for its place there; people by their user names.
CREATE TABLE unsealed (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    who     TEXT NOT NULL,
    address TEXT NOT NULL,
    what    TEXT NOT NULL,
    about   TEXT NOT NULL,
    whom    TEXT NOT NULL,
    before  TEXT NOT NULL,
    after   TEXT NOT NULL
) STRICT;

-- The names of people in the chain, beside it, so that one can be replaced.
CREATE TABLE names (
    id       INTEGER PRIMARY KEY,
    mark     TEXT NOT NULL,              -- what the chain has for the name
    salt     TEXT,                       -- that the mark was made with; NULL: the name was erased
    username TEXT NOT NULL UNIQUE
) STRICT;
