"""SQLite: exact decimals as text, timestamps as SQLAlchemy writes them, the catalogue through PRAGMA.

SQLite has no decimal type: a NUMERIC column turns '12345678901234567.89' into a double. So a decimal column
that we create is declared DECIMAL_TEXT(p,s), whose affinity is TEXT: no digit is lost, `sum()` still adds,
`order by` needs a cast. A NUMERIC or DECIMAL column that exists already is exact to 15 significant digits.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

from sqlalchemy.engine import Connection

from tidelock.sql.dialects.dialect import Dialect
from tidelock.sql.types import Column, ColumnType, Kind, TableName

_DECLARED = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "INTEGER",
    Kind.FLOAT: "REAL",
    Kind.TEXT: "TEXT",
    Kind.BYTES: "BLOB",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.UUID: "UUID_TEXT",
    Kind.JSON: "JSON_TEXT",
}
# First match wins: the words people declare, most telling first.
_WORDS = (
    ("BOOL", Kind.BOOLEAN),
    ("DATETIME", Kind.TIMESTAMP),
    ("TIMESTAMP", Kind.TIMESTAMP),
    ("DATE", Kind.DATE),
    ("TIME", Kind.TIME),
    ("UUID", Kind.UUID),
    ("JSON", Kind.JSON),
    ("DEC", Kind.DECIMAL),
    ("NUMERIC", Kind.DECIMAL),
    ("INT", Kind.INTEGER),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("STRING", Kind.TEXT),
    ("BLOB", Kind.BYTES),
    ("BINARY", Kind.BYTES),
    ("BYTEA", Kind.BYTES),
    ("REAL", Kind.FLOAT),
    ("FLOA", Kind.FLOAT),
    ("DOUB", Kind.FLOAT),
)


class SqliteDialect(Dialect):
    """SQLite 3.24 and newer (upsert)."""

    name = "sqlite"

    def declare(self, kind: ColumnType, *, is_key: bool) -> str:
        """See Dialect."""
        if kind.kind is Kind.DECIMAL:
            return f"DECIMAL_TEXT({kind.precision or 65},{kind.scale or 0})"
        return _DECLARED.get(kind.kind, kind.declared)

    def literal(self, value: object) -> str:
        """See Dialect."""
        match value:
            case None:
                return "NULL"
            case bool():
                return str(int(value))
            case int() | float():
                return repr(value)
            case Decimal():
                return f"'{value:f}'"
            case bytes():
                return f"X'{value.hex()}'"
            case datetime.datetime():
                return f"'{timestamp_text(value)}'"
            case _:
                escaped = str(value).replace("'", "''")
                return f"'{escaped}'"

    def _columns(self, connection: Connection, name: TableName) -> tuple[Column, ...]:
        schema = f"{self.quote(name.schema)}." if name.schema else ""
        rows = connection.exec_driver_sql(f"PRAGMA {schema}table_xinfo({self.quote(name.name)})")
        return tuple(
            Column(row[1], read_type(row[2] or ""), not row[3], has_default=row[4] is not None)
            for row in rows
            if row[6] != 1  # a hidden column of a virtual table
        )

    def _keys(
        self, connection: Connection, name: TableName
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        schema = f"{self.quote(name.schema)}." if name.schema else ""
        info = connection.exec_driver_sql(f"PRAGMA {schema}table_info({self.quote(name.name)})").all()
        primary = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5])
        unique = []
        for index in connection.exec_driver_sql(f"PRAGMA {schema}index_list({self.quote(name.name)})").all():
            if index[2] and index[3] != "pk" and not index[4]:
                rows = connection.exec_driver_sql(f"PRAGMA {schema}index_info({self.quote(index[1])})").all()
                unique.append(tuple(row[2] for row in rows))
        return primary, tuple(unique)


def timestamp_text(value: datetime.datetime) -> str:
    """Return a timestamp as SQLAlchemy's DateTime stores it in SQLite, in UTC."""
    if value.tzinfo is not None:
        value = (value if value.tzinfo is datetime.UTC else value.astimezone(datetime.UTC)).replace(
            tzinfo=None
        )
    return value.isoformat(" ", "microseconds")


def read_type(declared: str) -> ColumnType:
    """Read the words of a CREATE TABLE; SQLite itself takes any."""
    upper = declared.upper()
    numbers = [int(number) for number in re.findall(r"\d+", upper.partition("(")[2])]
    kind = next((kind for word, kind in _WORDS if word in upper), Kind.OTHER if upper else Kind.TEXT)
    if kind is Kind.DECIMAL:
        precision, scale = (*numbers, 0)[:2] if numbers else (None, None)
        return ColumnType(kind, precision=precision, scale=scale, declared=declared)
    if kind in (Kind.TIMESTAMP, Kind.TIME):
        return ColumnType(kind, scale=numbers[0] if numbers else 6, declared=declared)
    length = numbers[0] if numbers and kind in (Kind.TEXT, Kind.BYTES) else None
    return ColumnType(kind, length=length, declared=declared)
