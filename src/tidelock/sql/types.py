"""Tables as we see them, whichever database keeps them: names, columns, and the kind of each value.

A `ColumnType` is what three databases have in common: enough to create a column, to write it and to compare
it with a column of another database. `declared` keeps the database's own words for what we cannot name.
This module is data: it imports nothing of the house but errors.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidelock.errors import UsageError
from tidelock.sql.errors import ColumnNotFound


class Kind(enum.Enum):
    """What a column's values are."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    UUID = "uuid"
    JSON = "json"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type that can be written and compared in every database.

    Args:
        kind: what the values are.
        bits: 8, 16, 32 or 64 for INTEGER, 32 or 64 for FLOAT.
        length: characters for TEXT or bytes for BYTES; None is unbounded.
        precision: digits of a DECIMAL; None is as many as the database has.
        scale: fraction digits of a DECIMAL, or of a second for TIME and TIMESTAMP; None is not fixed.
        declared: the database's own words, where it was read from one.
    """

    kind: Kind
    bits: int = 64
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    declared: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: ColumnType
    nullable: bool = True
    default: object = None
    charset: str | None = None
    has_default: bool = False


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's name with the schema (database, in MySQL's words) it lives in, if one was given."""

    name: str
    schema: str | None = None

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `orders` or `shop.orders`.

        Raises:
            UsageError: empty, or with more than two parts.
        """
        parts = text.split(".")
        if not all(parts) or len(parts) > 2:
            raise UsageError(f"{text!r} is not a table name", hint="write TABLE or SCHEMA.TABLE")
        return cls(parts[-1], parts[0] if len(parts) == 2 else None)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order and its primary key (empty when it has none)."""

    name: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()

    @property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    def find(self, name: str) -> Column | None:
        """Return a column by its exact name, else by its name in any case."""
        exact = self.by_name.get(name)
        if exact is not None:
            return exact
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def require(self, names: Iterable[str]) -> tuple[Column, ...]:
        """Return columns by name.

        Raises:
            ColumnNotFound: naming all that are missing and what there is.
        """
        found = [(name, self.find(name)) for name in names]
        missing = [name for name, column in found if column is None]
        if missing:
            raise ColumnNotFound(
                f"table {self.name} has no column {', '.join(repr(name) for name in missing)}",
                hint=f"its columns are {', '.join(column.name for column in self.columns)}",
            )
        return tuple(column for _, column in found if column is not None)
