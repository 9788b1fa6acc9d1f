"""The seam of the writers: four bulk operations inside a transaction that the caller began.

A writer is made for one table and one list of columns and may be used for many transactions. It neither
commits nor retries. `upsert` and `delete` expect each key once (tidelock.sql.changes). Deliberately not in
it: the offset ledger, which shares the transaction but not the table, and schema changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from tidelock.sql.changes import Row
from tidelock.sql.dialects import Dialect
from tidelock.sql.types import Table


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go.

    Args:
        table: as reflected, so that the columns' types are known.
        columns: the columns of each row, in order; a row's missing columns keep the table's defaults.
        key: the columns that identify a row; part of `columns`. Empty for plain inserts.
    """

    table: Table
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()

    @property
    def rest(self) -> tuple[str, ...]:
        """The columns that are not part of the key."""
        return tuple(name for name in self.columns if name not in self.key)


class Writer(ABC):
    """Bulk statements for one target."""

    def __init__(self, dialect: Dialect, target: Target) -> None:
        self.dialect = dialect
        self.target = target

    @abstractmethod
    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Append rows in their order."""

    @abstractmethod
    def upsert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, or overwrite the columns of those whose key exists."""

    @abstractmethod
    def update(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Overwrite the columns of rows whose key exists; ignore the others."""

    @abstractmethod
    def delete(self, connection: Connection, keys: Sequence[Row]) -> None:
        """Delete the rows with these keys."""

    def _table(self) -> str:
        return self.dialect.quote_table(self.target.table.name)

    def _matches(self, placeholders: Sequence[str]) -> str:
        """Return `k1 = ? AND k2 = ?`."""
        pairs = zip(self.target.key, placeholders, strict=True)
        return " AND ".join(f"{self.dialect.quote(name)} = {mark}" for name, mark in pairs)

    def _assignments(self, template: str) -> str:
        """Return `c = excluded.c, ...` for the columns outside the key; `{}` is the quoted name."""
        quoted = (self.dialect.quote(name) for name in self.target.rest)
        return ", ".join(f"{name} = {template.format(name)}" for name in quoted)


def rearranged(rows: Sequence[Row], positions: Sequence[int]) -> list[tuple[Any, ...]]:
    """Return rows with their values in another order."""
    return [tuple(row[position] for position in positions) for row in rows]
