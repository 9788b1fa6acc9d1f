"""Who is writing a table now: names of transactions, to be asked for again until they are gone.

PostgreSQL says it to everybody: a writer holds a lock on its table from before it takes an id until it is
over. MySQL says it to users with the PROCESS privilege, for all tables at once (see innodb); without it the
reader locks the rows that it reads behind a gap, which waits for whoever wrote them. SQLite has one writer at
a time, who takes ids and commits before the next one: there is nobody to wait for.
"""

from __future__ import annotations

import logging
import random

import sqlalchemy
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tidelock.connect.connectors.jdbc.source import innodb
from tidelock.connect.connectors.jdbc.source.gaps import PREPARED

log = logging.getLogger(__name__)

_HOLDERS = """
    SELECT DISTINCT CASE WHEN l.pid IS NULL THEN :prepared ELSE l.virtualtransaction END
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND {which}"""
_TABLE = (
    "(l.relation = to_regclass(:name) "
    "OR l.relation IN (SELECT relid FROM pg_partition_tree(to_regclass(:name))))"
)
_ANY = "l.relation >= 16384"  # what users made
_DENIED = (1227, 1044, 1142)


class Writers:
    """Asks one database.

    Args:
        database: `postgresql`, `mysql` or `sqlite`.
        table: quoted; None where it is not one table alone, a view or a query: then everybody counts.
        rng: draws MySQL's nonces and pauses.
    """

    def __init__(self, database: str, table: str | None, rng: random.Random | None = None) -> None:
        self._database = database
        self._table = table
        self._rng = rng or random.Random()
        self._may_ask = True
        self._has_complained = False

    @property
    def needs_locks(self) -> bool:
        """Whether rows behind a gap have to be read with a lock."""
        return self._database == "mysql" and self._table is not None

    def ask(self, connection: Connection) -> frozenset[str] | None:
        """Return the names of the transactions that may have taken an id and not committed it.

        None: the database does not tell now, and nothing may be concluded.
        """
        if self._database == "postgresql":
            which = _ANY if self._table is None else _TABLE
            statement = sqlalchemy.text(_HOLDERS.format(which=which))
            values = {"prepared": PREPARED} | ({"name": self._table} if self._table else {})
            return frozenset(str(row[0]) for row in connection.execute(statement, values))
        if self._database == "mysql" and self._may_ask:
            try:
                return self._told(innodb.ask(connection, self._rng))
            except DBAPIError as error:
                if not error.orig or error.orig.args[0] not in _DENIED:
                    raise
                self._may_ask = False
        return frozenset()

    def _told(self, writers: frozenset[str] | None) -> frozenset[str] | None:
        """Say once that rows wait because there was no answer."""
        if writers is None and not self._has_complained:
            self._has_complained = True
            log.warning(
                "information_schema.innodb_trx is read so often that it is not renewed; rows of %s that may "
                "have been overtaken wait until it is. Let whatever else reads it do so less often",
                self._table or "the query",
            )
        return writers
