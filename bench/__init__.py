"""What MeterMT costs, measured beside others that do the same work. Start it with `python -m bench`."""
