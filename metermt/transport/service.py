"""The meter service, as RPyC knows it."""

from typing import ClassVar

import rpyc

from metermt.config import SERVICE


class MeterService(rpyc.Service):  # type: ignore[misc]  # rpyc has no type information
    """A name. What it offers are the calls of `metermt.calls`, which `ServerEnd` answers in its place."""

    ALIASES: ClassVar = (SERVICE,)
