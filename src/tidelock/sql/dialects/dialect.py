"""What a database must tell us to be written to and compared: quoting, types, DDL, statements, reflection.

Statements are text made here and run by the writers; nothing in a dialect touches a connection but
`reflect`, which reads the catalogue through SQLAlchemy. Deliberately not in it: transactions and bulk paths
(the writers'), canonical forms (tidelock.sql.checksum's).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from sqlalchemy.engine import Connection

from tidelock.sql.errors import TableNotFound
from tidelock.sql.types import Column, ColumnType, Table, TableName


class Dialect(ABC):
    """The words of one database."""

    name: ClassVar[str]
    quote_mark: ClassVar[str] = '"'
    table_options: str = ""

    def quote(self, name: str) -> str:
        """Return an identifier that may hold anything, capitals and Hangul included."""
        mark = self.quote_mark
        return f"{mark}{name.replace(mark, mark * 2)}{mark}"

    def quote_table(self, table: TableName) -> str:
        """Return a quoted table name with its schema."""
        quoted = self.quote(table.name)
        return f"{self.quote(table.schema)}.{quoted}" if table.schema else quoted

    def quote_all(self, names: Iterable[str], *, prefix: str = "") -> str:
        """Return quoted identifiers, separated by commas."""
        return ", ".join(prefix + self.quote(name) for name in names)

    def find(self, connection: Connection, name: TableName) -> Table | None:
        """Read a table's columns and keys from the catalogue; None when there is no such table."""
        columns = self._columns(connection, name)
        if not columns:
            return None
        key, unique = self._keys(connection, name)
        return Table(name, columns, key, unique)

    def reflect(self, connection: Connection, name: TableName) -> Table:
        """Read a table from the catalogue.

        Raises:
            TableNotFound: there is no such table, or it is not visible to this user.
        """
        table = self.find(connection, name)
        if table is None:
            raise TableNotFound(f"there is no table {name}", where=self._where(connection))
        return table

    def create_table(self, table: Table) -> str:
        """Return the statement that creates a table unless it exists."""
        lines = [self._column_line(column, is_key=column.name in table.key) for column in table.columns]
        if table.key:
            lines.append(f"PRIMARY KEY ({self.quote_all(table.key)})")
        body = ",\n  ".join(lines)
        return f"CREATE TABLE IF NOT EXISTS {self.quote_table(table.name)} (\n  {body}\n){self.table_options}"

    def add_columns(self, name: TableName, columns: Sequence[Column]) -> list[str]:
        """Return the statements that add columns to an existing table."""
        head = f"ALTER TABLE {self.quote_table(name)} ADD COLUMN"
        return [f"{head} {self._column_line(column, is_key=False)}" for column in columns]

    @abstractmethod
    def declare(self, kind: ColumnType, *, is_key: bool) -> str:
        """Return the words that declare a column of this type."""

    @abstractmethod
    def literal(self, value: object) -> str:
        """Return a value as a literal, for a column default."""

    @abstractmethod
    def _columns(self, connection: Connection, name: TableName) -> tuple[Column, ...]: ...

    @abstractmethod
    def _keys(
        self, connection: Connection, name: TableName
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]: ...

    def _column_line(self, column: Column, *, is_key: bool) -> str:
        parts = [self.quote(column.name), self.declare(column.type, is_key=is_key)]
        if column.has_default:
            parts.append(f"DEFAULT {self.literal(column.default)}")
        if is_key or not column.nullable:
            parts.append("NOT NULL")
        return " ".join(parts)

    def _where(self, connection: Connection) -> str:
        return connection.engine.url.render_as_string(hide_password=True)


def group_keys(rows: Iterable[tuple[str, bool, str]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Sort (index name, is primary, column) rows into the primary key and the unique keys."""
    primary: list[str] = []
    unique: dict[str, list[str]] = {}
    for index, is_primary, column in rows:
        (primary if is_primary else unique.setdefault(index, [])).append(column)
    return tuple(primary), tuple(tuple(columns) for columns in unique.values())
