"""A year of a utility, played with real servers: `python -m bench.year`."""
