"""What the store in memory has instead of the office: it is for a reader's round."""

from metermt.errors import StoreError
from metermt.rules.consumption import Exchange
from metermt.store.steps.audit import Unsealed


def no_office() -> StoreError:
    """Return what is raised for steps that are the office's."""
    return StoreError("The office needs a database: a server without one has readers' rounds only")


class NoOffice:
    """A group of steps none of which can be taken."""

    def __getattr__(self, _step: str) -> None:
        raise no_office()


class NoAudit(NoOffice):
    """What it has instead of `Audit`: readers' rounds leave no record."""

    def add(self, entries: object) -> None:
        pass

    def unsealed(self, _most: int) -> list[Unsealed]:
        return []


class NoExchanges(NoOffice):
    """What it has instead of `Devices`: none was ever exchanged."""

    def exchanges(self, _meters: object) -> dict[str, list[Exchange]]:
        return {}

    def taken_down(self, _meters: object) -> dict[str, Exchange]:
        return {}

    def outdated(self, _cycle: str) -> dict[int, tuple[str, str]]:
        return {}
