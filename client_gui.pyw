#!/usr/bin/env python3
"""Read meters in a window: the same program as `metermt gui`."""

from metermt.gui.command import gui

gui()
