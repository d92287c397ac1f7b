"""The servers and clients that MeterMT is compared with. Each module is a program: `python -m bench.peers.NAME`."""
