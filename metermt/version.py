"""Which version this is."""

VERSION = "0.1.0"
"""Of the program, as in pyproject.toml."""
PROTOCOL = 1
"""Of what crosses between client and server. It grows when an older program could not work with a newer one."""
