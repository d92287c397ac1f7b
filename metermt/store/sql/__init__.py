"""The steps of a transaction in the SQL that SQLite and PostgreSQL share."""
