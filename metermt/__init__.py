"""MeterMT, a meter-reading server for field crews.

`connect` talks to a server; `Manager` answers the same calls without one, in your own program.
"""

from metermt.client import MeterClient, connect
from metermt.errors import Error
from metermt.manager import Manager
from metermt.model import Answer, Job, Meter, Reading, Role, Status, User
from metermt.policy import Policy
from metermt.sending import new_key

__all__ = [
    "Answer",
    "Error",
    "Job",
    "Manager",
    "Meter",
    "MeterClient",
    "Policy",
    "Reading",
    "Role",
    "Status",
    "User",
    "connect",
    "new_key",
]
