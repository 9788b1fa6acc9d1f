"""One database as `verify` sees it: a snapshot of one table, hashed in the server or here.

Everything is read in one transaction, so leaves and rows belong to the same moment of that database. SQLite
and tables with columns that only Python can canonicalise are streamed and hashed here, a few thousand rows
at a time. Nothing is written. Used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, Connection

from tidelock.sql import TableName, backend, dialect_for, open_engine, parse_url, shown, translated
from tidelock.sql.canonical import SEPARATOR
from tidelock.sql.checksum import (
    MASK,
    Compared,
    Hashed,
    Hasher,
    Key,
    Leaf,
    LeafId,
    SqlChecksum,
    plain_select,
)
from tidelock.sql.engine import driver_connection
from tidelock.sql.errors import TableNotFound
from tidelock.sql.types import Table
from tidelock.sync.errors import SyncError

STREAMED = 5000  # rows that a driver hands over at a time
KEYS_AT_ONCE = 500  # keys of one look-up
MARK = "\x00"  # a placeholder, until the driver is known; no identifier holds it


class TableSide:
    """A table in one database, in one snapshot.

    Args:
        url: the database.
        name: the table.
    """

    def __init__(self, url: URL | str, name: str) -> None:
        self.url = parse_url(url)
        self.shown = shown(self.url)
        self._name = TableName.parse(name)
        self._engine = open_engine(self.url)
        self._connection: Connection | None = None
        self._compared: Compared | None = None

    def open(self) -> Table:
        """Begin the snapshot and return the table as it is declared here.

        Raises:
            TableNotFound, DatabaseUnreachable: see tidelock.sql.
        """
        self._require_file()
        with translated(self.url):
            level = {} if backend(self._engine) == "sqlite" else {"isolation_level": "REPEATABLE READ"}
            connection = self._engine.connect().execution_options(**level)
            self._connection = connection
            connection.begin()
            if backend(connection) == "postgresql":
                connection.exec_driver_sql("SET LOCAL datestyle = 'ISO'")
            self._dialect = dialect_for(connection)
            return self._dialect.reflect(connection, self._name)

    def _require_file(self) -> None:
        file = self.url.database
        if backend(self._engine) == "sqlite" and file and not Path(file).exists():
            raise TableNotFound(  # opening it would create an empty file
                "there is no such SQLite file", where=self.shown, hint="check the path after sqlite:///"
            )

    def compare(self, compared: Compared) -> None:
        """Say what to compare; before `leaves`, `rows` and `fetch`."""
        self._compared = compared
        self._hasher = Hasher(compared)
        server = SqlChecksum(self._dialect, compared) if self._hashes_in_server() else None
        self._server = server if server is not None and server.possible else None

    def _hashes_in_server(self) -> bool:
        version = self._open.dialect.server_version_info
        if self._dialect.name == "postgresql":
            return version is not None and version >= (14,)  # has no bit_xor before
        return self._dialect.name != "sqlite"

    def rows_without(self, names: Sequence[str]) -> int:
        """Return how many rows have NULL in one of these columns."""
        where = " OR ".join(f"{name} IS NULL" for name in map(self._dialect.quote, names))
        table = self._dialect.quote_table(self._name)
        return int(self._run(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def distinct_keys(self, names: Sequence[str]) -> tuple[int, int]:
        """Return how many rows and how many different keys there are."""
        keys = self._dialect.quote_all(names)
        table = self._dialect.quote_table(self._name)
        query = (
            f"SELECT (SELECT count(*) FROM {table}), count(*) FROM (SELECT DISTINCT {keys} FROM {table}) AS d"
        )
        row = self._run(query)[0]
        return int(row[0]), int(row[1])

    def leaves(self) -> dict[LeafId, Leaf]:
        """Return the leaves of the whole table."""
        with translated(self.url):
            if self._server is None:
                return self._hasher.leaves(self._stream(plain_select(self._dialect, self._comparing)))
            found = self._run(self._server.leaves())
            if self._dialect.name == "mysql" and self._run("SELECT @@warning_count")[0][0]:
                # A text beyond max_allowed_packet is NULL there, and bit_xor passes over it.
                self._server = None
                return self._hasher.leaves(self._stream(plain_select(self._dialect, self._comparing)))
        return {leaf: Leaf(int(count), int(digest) & MASK) for leaf, count, digest in found}

    def rows(self, leaves: Sequence[LeafId]) -> Iterator[Hashed]:
        """Yield key and hash of the rows in these leaves."""
        with translated(self.url):
            if self._server is None:
                rows = self._stream(plain_select(self._dialect, self._comparing))
                yield from self._hasher.rows(rows, set(leaves))
                return
            for *key, text, digest in self._stream(self._server.rows(leaves)):
                yield Hashed(tuple(key), text, int(digest) & MASK)

    def fetch(self, keys: Sequence[Key]) -> dict[str, tuple[str, ...]]:
        """Return the canonical texts of the rows with these keys, by key text."""
        columns, length = self._comparing.texts(), self._comparing.key_length
        found: dict[str, tuple[str, ...]] = {}
        with translated(self.url):
            for first in range(0, len(keys), KEYS_AT_ONCE):
                for row in self._look_up(keys[first : first + KEYS_AT_ONCE]):
                    texts = tuple(column([value])[0] for column, value in zip(columns, row, strict=True))
                    found[SEPARATOR.join(texts[:length])] = texts
        return found

    def close(self) -> None:
        """End the snapshot."""
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    @property
    def _comparing(self) -> Compared:
        if self._compared is None:
            raise SyncError("compare() comes before reading")
        return self._compared

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise SyncError("open() comes before reading")
        return self._connection

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Sequence[Any]]:
        if self._dialect.name != "sqlite":
            statement = statement.replace("%", "%%").replace(MARK, "%s")
        else:
            statement = statement.replace(MARK, "?")
        return self._open.exec_driver_sql(statement, values).all()

    def _look_up(self, keys: Sequence[Key]) -> Sequence[Sequence[Any]]:
        length = self._comparing.key_length
        names = self._dialect.quote_all(column.name for column in self._comparing.columns[:length])
        one = f"({', '.join([MARK] * length)})" if length > 1 else MARK
        listed = ", ".join([one] * len(keys))
        if length > 1 and self._dialect.name == "sqlite":
            listed = f"VALUES {listed}"
        statement = f"{plain_select(self._dialect, self._comparing)} WHERE ({names}) IN ({listed})"
        return self._run(statement, tuple(value for key in keys for value in key))

    def _stream(self, statement: str) -> Iterator[Sequence[Any]]:
        driver = driver_connection(self._open)
        if self._dialect.name == "postgresql":
            with driver.cursor(name="tidelock_verify") as cursor:
                cursor.itersize = STREAMED
                yield from cursor.execute(statement)
        elif self._dialect.name == "mysql":
            from pymysql.cursors import SSCursor  # the driver belongs to an optional extra

            with driver.cursor(SSCursor) as cursor:
                cursor.execute(statement)
                yield from cursor
        else:
            yield from driver.execute(statement)
