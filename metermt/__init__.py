"""MeterMT, a meter-reading server for field crews.

`connect` talks to a server; `Manager` is the server's inside, to be used without one.
"""

from metermt.client import MeterClient, connect, new_key
from metermt.config import Rules
from metermt.errors import Error
from metermt.manager import Manager
from metermt.model import Job, Meter, Reading, Status, Submission, User
from metermt.wire import Row

__all__ = [
    "Error",
    "Job",
    "Manager",
    "Meter",
    "MeterClient",
    "Reading",
    "Row",
    "Rules",
    "Status",
    "Submission",
    "User",
    "connect",
    "new_key",
]
