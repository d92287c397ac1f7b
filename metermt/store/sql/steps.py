"""A transaction whose steps are taken in SQL."""

from metermt.store.base import Tx
from metermt.store.sql.accounts import SqlAccounts
from metermt.store.sql.audit import SqlAudit
from metermt.store.sql.batches import SqlBatches
from metermt.store.sql.billing import SqlBilling
from metermt.store.sql.cycles import SqlCycles
from metermt.store.sql.devices import SqlDevices
from metermt.store.sql.dialect import Sql
from metermt.store.sql.failures import SqlFailures
from metermt.store.sql.finds import SqlFinds
from metermt.store.sql.jobs import SqlJobs
from metermt.store.sql.leases import SqlLeases
from metermt.store.sql.notes import SqlNotes
from metermt.store.sql.office import SqlOffice
from metermt.store.sql.overview import SqlOverview
from metermt.store.sql.places import SqlPlaces
from metermt.store.sql.progress import SqlProgress
from metermt.store.sql.readings import SqlReadings
from metermt.store.sql.rounds import SqlRounds
from metermt.store.sql.servers import SqlServers
from metermt.store.sql.sessions import SqlSessions
from metermt.store.sql.settings import SqlSettings
from metermt.store.sql.walks import SqlWalks


def transaction_on(sql: Sql) -> Tx:
    """Return the steps on one connection; they serve all of its transactions, one after the other."""
    return Tx(
        accounts=SqlAccounts(sql),
        sessions=SqlSessions(sql),
        failures=SqlFailures(sql),
        cycles=SqlCycles(sql),
        jobs=SqlJobs(sql),
        rounds=SqlRounds(sql),
        progress=SqlProgress(sql),
        leases=SqlLeases(sql),
        readings=SqlReadings(sql),
        servers=SqlServers(sql),
        places=SqlPlaces(sql),
        devices=SqlDevices(sql),
        walks=SqlWalks(sql),
        notes=SqlNotes(sql),
        finds=SqlFinds(sql),
        settings=SqlSettings(sql),
        office=SqlOffice(sql),
        billing=SqlBilling(sql),
        batches=SqlBatches(sql),
        audit=SqlAudit(sql),
        overview=SqlOverview(sql),
        changes=sql.changes,
    )
