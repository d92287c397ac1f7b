#!/usr/bin/env python3
"""Run a registry: the same program as `metermt registry`."""

from metermt.cli.registry import registry

registry()
