"""A store in a PostgreSQL database, which many servers share."""
