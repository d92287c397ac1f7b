"""A client: it finds a server, calls it, and keeps what was typed until a server has taken it."""
