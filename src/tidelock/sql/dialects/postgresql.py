"""PostgreSQL: exact numerics, timestamps without a zone in UTC, the catalogue through pg_attribute.

`timestamptz` and `timestamp` columns both work: our sessions are in UTC. DECIMAL is created without a scale
limit, as Confluent's dialect does, so that no digit is lost.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.engine import Connection

from tidelock.sql.dialects.dialect import Dialect, group_keys
from tidelock.sql.types import Column, ColumnType, Kind, TableName

_COLUMNS = text("""
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           a.atthasdef OR a.attidentity <> ''
    FROM pg_attribute a
    WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum""")
_KEYS = text("""
    SELECT i.indexrelid::text, i.indisprimary, a.attname
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = to_regclass(:name) AND i.indisunique AND i.indpred IS NULL AND 0 <> ALL (i.indkey)
    ORDER BY i.indexrelid, k.position""")

_PLAIN = {
    "boolean": ColumnType(Kind.BOOLEAN),
    "smallint": ColumnType(Kind.INTEGER, bits=16),
    "integer": ColumnType(Kind.INTEGER, bits=32),
    "bigint": ColumnType(Kind.INTEGER, bits=64),
    "real": ColumnType(Kind.FLOAT, bits=32),
    "double precision": ColumnType(Kind.FLOAT, bits=64),
    "numeric": ColumnType(Kind.DECIMAL),
    "text": ColumnType(Kind.TEXT),
    "bytea": ColumnType(Kind.BYTES),
    "date": ColumnType(Kind.DATE),
    "uuid": ColumnType(Kind.UUID),
    "json": ColumnType(Kind.JSON),
    "jsonb": ColumnType(Kind.JSON),
}
_DECLARED = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.BYTES: "BYTEA",
    Kind.DATE: "DATE",
    Kind.UUID: "UUID",
    Kind.JSON: "JSONB",
}


class PostgresqlDialect(Dialect):
    """PostgreSQL 12 and newer; checksums are computed in the server from 14 on."""

    name = "postgresql"

    def declare(self, kind: ColumnType, *, is_key: bool) -> str:
        """See Dialect."""
        if kind.kind is Kind.INTEGER:
            return {8: "SMALLINT", 16: "SMALLINT", 32: "INTEGER"}.get(kind.bits, "BIGINT")
        if kind.kind is Kind.FLOAT:
            return "REAL" if kind.bits == 32 else "DOUBLE PRECISION"
        if kind.kind is Kind.DECIMAL:
            return f"NUMERIC({kind.precision},{kind.scale or 0})" if kind.precision else "NUMERIC"
        if kind.kind is Kind.TEXT:
            return f"VARCHAR({kind.length})" if kind.length else "TEXT"
        if kind.kind in (Kind.TIME, Kind.TIMESTAMP):
            digits = f"({kind.scale})" if kind.scale is not None else ""
            return f"{kind.kind.name}{digits}"
        return _DECLARED.get(kind.kind, kind.declared)

    def literal(self, value: object) -> str:
        """See Dialect."""
        match value:
            case None:
                return "NULL"
            case bool():
                return str(value).upper()
            case int() | Decimal():
                return f"{value:f}" if isinstance(value, Decimal) else str(value)
            case float():
                return f"'{value!r}'::double precision"
            case bytes():
                return f"'\\x{value.hex()}'::bytea"
            case datetime.datetime():
                return f"'{value.replace(tzinfo=None).isoformat(sep=' ')}'"
            case _:
                escaped = str(value).replace("'", "''")
                return f"'{escaped}'"

    def _columns(self, connection: Connection, name: TableName) -> tuple[Column, ...]:
        rows = connection.execute(_COLUMNS, {"name": self.quote_table(name)})
        return tuple(
            Column(column, read_type(declared), nullable, has_default=has_default)
            for column, declared, nullable, has_default in rows
        )

    def _keys(
        self, connection: Connection, name: TableName
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        rows = connection.execute(_KEYS, {"name": self.quote_table(name)})
        return group_keys((index, primary, column) for index, primary, column in rows)


def read_type(declared: str) -> ColumnType:
    """Read the words of `format_type`, e.g. `numeric(12,2)` or `timestamp(3) without time zone`."""
    words = re.sub(r"\(.*?\)", "", declared)
    numbers = [int(digits) for digits in re.findall(r"\d+", declared.partition("(")[2].partition(")")[0])]
    if words in _PLAIN and words != "numeric":
        plain = _PLAIN[words]
        return ColumnType(plain.kind, bits=plain.bits, declared=declared)
    if words == "numeric":
        precision, scale = (*numbers, 0)[:2] if numbers else (None, None)
        return ColumnType(Kind.DECIMAL, precision=precision, scale=scale, declared=declared)
    if words in ("character varying", "character"):
        return ColumnType(Kind.TEXT, length=numbers[0] if numbers else None, declared=declared)
    if words.startswith(("timestamp", "time")):
        kind = Kind.TIMESTAMP if words.startswith("timestamp") else Kind.TIME
        return ColumnType(kind, scale=numbers[0] if numbers else 6, declared=declared)
    return ColumnType(Kind.OTHER, declared=declared)
