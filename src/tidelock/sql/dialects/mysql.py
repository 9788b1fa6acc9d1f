"""MySQL and MariaDB: utf8mb4 said aloud, keys that tell `a` from `A` and from `a `, milliseconds kept.

A server's default character set may still be latin1 (MariaDB 10.11), which refuses Hangul, and its default
collation calls `a` and `A` the same key: rows of two orders would become one. So every table we create names
utf8mb4 and a binary collation that does not ignore trailing blanks where the server has one.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from tidelock.sql.dialects.dialect import Dialect, group_keys
from tidelock.sql.types import Column, ColumnType, Kind, TableName

KEY_CHARACTERS = 255  # an InnoDB key holds 3,072 bytes: 768 characters of utf8mb4 over all its columns
KEY_BYTES = 255
DECIMAL_PRECISION = 65  # the most that MySQL has

_COLUMNS = text("""
    SELECT column_name, data_type, column_type, is_nullable, numeric_precision, numeric_scale,
           datetime_precision, character_maximum_length, character_set_name,
           column_default IS NOT NULL OR extra LIKE '%auto_increment%'
    FROM information_schema.columns
    WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
    ORDER BY ordinal_position""")
_KEYS = text("""
    SELECT index_name, index_name = 'PRIMARY', column_name
    FROM information_schema.statistics
    WHERE table_schema = coalesce(:schema, database()) AND table_name = :name AND non_unique = 0
    ORDER BY index_name, seq_in_index""")

_INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_DECLARED = {Kind.BOOLEAN: "TINYINT(1)", Kind.DATE: "DATE", Kind.UUID: "CHAR(36)", Kind.JSON: "JSON"}


class MysqlDialect(Dialect):
    """MariaDB 10.5 and newer, MySQL 8.

    Args:
        key_collation: the collation of the tables that we create; ask `key_collation(version, is_mariadb)`.
    """

    name = "mysql"
    quote_mark = "`"

    def __init__(self, key_collation: str = "utf8mb4_bin") -> None:
        self.table_options = f" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {key_collation}"

    def declare(self, kind: ColumnType, *, is_key: bool) -> str:
        """See Dialect."""
        if kind.kind is Kind.INTEGER:
            return {8: "TINYINT", 16: "SMALLINT", 32: "INT"}.get(kind.bits, "BIGINT")
        if kind.kind is Kind.FLOAT:
            return "FLOAT" if kind.bits == 32 else "DOUBLE"
        if kind.kind is Kind.DECIMAL:
            return f"DECIMAL({kind.precision or DECIMAL_PRECISION},{kind.scale or 0})"
        if kind.kind is Kind.TEXT:
            return f"VARCHAR({kind.length or KEY_CHARACTERS})" if is_key or kind.length else "LONGTEXT"
        if kind.kind is Kind.BYTES:
            return f"VARBINARY({kind.length or KEY_BYTES})" if is_key or kind.length else "LONGBLOB"
        if kind.kind in (Kind.TIME, Kind.TIMESTAMP):
            word = "TIME" if kind.kind is Kind.TIME else "DATETIME"
            return f"{word}({6 if kind.scale is None else min(kind.scale, 6)})"
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
                return f"{value:f}"
            case bytes():
                return f"X'{value.hex()}'"
            case datetime.datetime():
                return f"'{value.replace(tzinfo=None).isoformat(sep=' ')}'"
            case _:
                escaped = str(value).replace("\\", "\\\\").replace("'", "''")
                return f"'{escaped}'"

    def _columns(self, connection: Connection, name: TableName) -> tuple[Column, ...]:
        rows = connection.execute(_COLUMNS, {"schema": name.schema, "name": name.name})
        return tuple(
            Column(
                row[0],
                read_type(str(row[1]), str(row[2]), row[4:8]),
                row[3] == "YES",
                charset=row[8],
                has_default=bool(row[9]),
            )
            for row in rows
        )

    def _keys(
        self, connection: Connection, name: TableName
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        rows = connection.execute(_KEYS, {"schema": name.schema, "name": name.name})
        return group_keys((index, bool(primary), column) for index, primary, column in rows)


def key_collation(version: tuple[int, ...], *, is_mariadb: bool) -> str:
    """Return the collation under which two keys are equal exactly when their characters are."""
    if is_mariadb:
        return "utf8mb4_nopad_bin" if version >= (10, 2) else "utf8mb4_bin"
    return "utf8mb4_0900_bin" if version >= (8, 0, 17) else "utf8mb4_bin"


def read_type(data_type: str, column_type: str, numbers: tuple[int | None, ...]) -> ColumnType:
    """Read a type of information_schema.

    Args:
        data_type: e.g. `decimal`.
        column_type: e.g. `decimal(12,2) unsigned`; TINYINT(1) is how both servers spell BOOLEAN.
        numbers: numeric precision, numeric scale, fraction digits of a second, characters.
    """
    precision, scale, fraction, length = numbers
    if column_type.startswith("tinyint(1)") or column_type == "bit(1)":
        return ColumnType(Kind.BOOLEAN, declared=column_type)
    if data_type in _INTEGER_BITS:
        return ColumnType(Kind.INTEGER, bits=_INTEGER_BITS[data_type], declared=column_type)
    if data_type in ("float", "double"):
        return ColumnType(Kind.FLOAT, bits=32 if data_type == "float" else 64, declared=column_type)
    if data_type == "decimal":
        return ColumnType(Kind.DECIMAL, precision=precision, scale=scale, declared=column_type)
    if data_type in _TEXTS:
        return ColumnType(Kind.TEXT, length=length, declared=column_type)
    if data_type in _BYTES:
        return ColumnType(Kind.BYTES, length=length, declared=column_type)
    if data_type in ("datetime", "timestamp", "time"):
        kind = Kind.TIME if data_type == "time" else Kind.TIMESTAMP
        return ColumnType(kind, scale=fraction or 0, declared=column_type)
    plain = {"date": Kind.DATE, "json": Kind.JSON, "uuid": Kind.UUID, "year": Kind.INTEGER}
    return ColumnType(plain.get(data_type, Kind.OTHER), declared=column_type)


_FIELD_TYPES = {  # protocol code -> data_type of information_schema
    0: "decimal", 1: "tinyint", 2: "smallint", 3: "int", 4: "float", 5: "double", 7: "timestamp", 8: "bigint",
    9: "mediumint", 10: "date", 11: "time", 12: "datetime", 13: "year", 15: "varchar", 16: "bit",
    245: "json", 246: "decimal", 247: "enum", 248: "set", 249: "tinyblob", 250: "mediumblob", 251: "longblob",
    252: "blob", 253: "varchar", 254: "char",
}  # fmt: skip
_BYTES_CHARSET, _UNSIGNED_FLAG = 63, 32


def type_of_field(field: Any) -> ColumnType:
    """Read a type from the description of a result's column.

    Args:
        field: with the protocol's `type_code`, `length`, `scale`, `flags` and `charsetnr`.

    Source: MySQL Protocol::ColumnDefinition41.
    """
    word = _FIELD_TYPES.get(field.type_code, "")
    is_bytes = field.charsetnr == _BYTES_CHARSET
    if word in _BYTES and not is_bytes:
        word = "text"
    elif word in ("varchar", "char") and is_bytes:
        word = "varbinary"
    declared = f"{word}({field.length})" if word in ("tinyint", "bit") else word
    unsigned = bool(field.flags & _UNSIGNED_FLAG)
    sign = 0 if unsigned else 1  # the length of a decimal counts its sign and its point
    digits = field.length - sign - (1 if field.scale else 0) if word == "decimal" else None
    numbers = (digits, field.scale if word == "decimal" else None, field.scale, None)
    return read_type(word, declared + (" unsigned" if unsigned else ""), numbers)


def server_version(text_: str) -> tuple[tuple[int, ...], bool]:
    """Read `select version()`: the numbers, and whether it is MariaDB."""
    found = re.search(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", text_)
    version = tuple(int(number) for number in found.groups()) if found else (0, 0, 0)
    return version, "mariadb" in text_.lower()
