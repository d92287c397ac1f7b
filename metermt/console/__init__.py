"""The console: a reader is asked for one reading after the other, at a terminal."""
