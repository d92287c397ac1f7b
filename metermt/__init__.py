"""MeterMT, a meter-reading server for field crews.

`connect` talks to a server; `Manager` answers the same calls without one, in your own program. What can go wrong is an
`Error`; `metermt.errors` shows the tree of them.
"""

from metermt import errors
from metermt.calls.left import Left
from metermt.calls.readings import Next
from metermt.client import MeterClient, connect
from metermt.errors import (
    AccountDisabled,
    AlreadyRead,
    CallError,
    ConfirmReading,
    ConnectionFailed,
    CycleClosed,
    DeadlineExceeded,
    Error,
    InternalError,
    InvalidKey,
    InvalidReading,
    InvalidReason,
    InvalidTime,
    LoginError,
    MeterLeased,
    OutboxError,
    RoleError,
    RouteError,
    ServerBusy,
    ServerLost,
    ServerUnreachable,
    SessionError,
    SettingError,
    StoreAway,
    StoreError,
    SubmissionError,
    TlsError,
    TooManyFailures,
    UnknownCycle,
    UnknownMeter,
    UserError,
)
from metermt.manager import Manager
from metermt.model import Answer, Job, Meter, Reading, Role, RouteProgress, Status, Unread, User
from metermt.policy import Policy
from metermt.sending import new_key

__all__ = [
    "AccountDisabled",
    "AlreadyRead",
    "Answer",
    "CallError",
    "ConfirmReading",
    "ConnectionFailed",
    "CycleClosed",
    "DeadlineExceeded",
    "Error",
    "InternalError",
    "InvalidKey",
    "InvalidReading",
    "InvalidReason",
    "InvalidTime",
    "Job",
    "Left",
    "LoginError",
    "Manager",
    "Meter",
    "MeterClient",
    "MeterLeased",
    "Next",
    "OutboxError",
    "Policy",
    "Reading",
    "Role",
    "RoleError",
    "RouteError",
    "RouteProgress",
    "ServerBusy",
    "ServerLost",
    "ServerUnreachable",
    "SessionError",
    "SettingError",
    "Status",
    "StoreAway",
    "StoreError",
    "SubmissionError",
    "TlsError",
    "TooManyFailures",
    "UnknownCycle",
    "UnknownMeter",
    "Unread",
    "User",
    "UserError",
    "connect",
    "errors",
    "new_key",
]
