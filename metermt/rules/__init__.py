"""Judging: pure functions over facts, no I/O, no clock."""
