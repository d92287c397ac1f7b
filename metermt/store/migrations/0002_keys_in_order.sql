-- The key first: clients make keys that begin with the time, so that new ones are written side by side.
DROP INDEX readings_key;
CREATE UNIQUE INDEX readings_key ON readings (key, username) WHERE key IS NOT NULL;
