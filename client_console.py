#!/usr/bin/env python3
"""Read meters on the console: the same program as `metermt console`."""

from metermt.console.dialogue import console

console()
