"""MeterMT, a meter-reading server for field crews.

`connect` talks to a server; `Manager` answers the same calls without one, in your own program. What can go wrong is an
`Error`; `metermt.errors` shows the tree of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# Whoever imports any module of ours imports this one: so the names come when one of them is asked for, and a command,
# which needs none, does not pay for them.
if TYPE_CHECKING:
    from metermt.public import *
else:

    def __getattr__(name):
        public = import_module("metermt.public")
        if name != "__all__" and name not in public.__all__:
            raise AttributeError(f"module 'metermt' has no attribute {name!r}")
        return getattr(public, name)

    def __dir__():
        return sorted({*globals(), *import_module("metermt.public").__all__})
