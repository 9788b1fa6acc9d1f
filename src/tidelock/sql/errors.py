"""What can go wrong between us and a database, in the user's words.

    SqlError                     TID-600  a database refused a statement
    |- UnsupportedDatabase       TID-601  a URL of a database that we do not speak
    |- DriverMissing             TID-602  the Python driver is not installed
    |- DatabaseUnreachable       TID-603  nobody answers, or it refuses the credentials
    |- TableNotFound             TID-604
    |- ColumnNotFound            TID-605
    |- Fenced                    TID-606  another task took the partition over
    |- TableUnfit                TID-607  the table cannot hold what is written to it
    |- TransientSqlError         TID-608  a transaction that may succeed when tried again
    |- TopicReplaced             TID-609  the ledger's offsets are those of another topic

Foreign exceptions become these at one seam, `translated` in tidelock.sql.engine. Imports only
tidelock.errors.
"""

from __future__ import annotations

from tidelock.errors import ConflictError, NotFoundError, TidelockError, UnreachableError, UsageError


class SqlError(TidelockError):
    """A database refused a statement."""

    code = "TID-600"


class TransientSqlError(SqlError):
    """A database gave up a transaction that may succeed when it is tried again: deadlock, lock timeout."""

    code = "TID-608"
    retriable = True


class UnsupportedDatabase(UsageError, SqlError):
    """The URL names a database that tidelock does not speak."""

    code = "TID-601"


class DriverMissing(UsageError, SqlError):
    """The Python driver for a database is not installed."""

    code = "TID-602"


class DatabaseUnreachable(UnreachableError, SqlError):
    """Nobody answers at the database's address, or the connection was lost."""

    code = "TID-603"


class TableNotFound(NotFoundError, SqlError):
    """The named table does not exist in the database."""

    code = "TID-604"


class ColumnNotFound(NotFoundError, SqlError):
    """A named column does not exist in the table."""

    code = "TID-605"


class Fenced(ConflictError, SqlError):
    """Another task has taken this partition over; whoever gets this must stop writing."""

    code = "TID-606"


class TopicReplaced(ConflictError, SqlError):
    """The offsets that were written belong to another topic of this name, so none of them says anything."""

    code = "TID-609"


class TableUnfit(SqlError):
    """The table cannot hold the records as it is: missing column, missing key, wrong character set."""

    code = "TID-607"
