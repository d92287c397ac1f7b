#!/usr/bin/env python3
"""Run a meter server: the same program as `metermt serve`."""

from metermt.cli.serve import serve

serve()
