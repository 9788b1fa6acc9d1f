"""Which tables there are, which of them are wanted, and which task reads which. Rules but for `tables_of`.

A task's tables are written as the JDBC connector writes them: quoted names, by comma. So a group of Java and
Python workers can divide one connector's tables.

Source: Confluent `io.confluent.connect.jdbc.source.TableMonitorThread`, Kafka
`org.apache.kafka.connect.util.ConnectorUtils.groupPartitions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlalchemy
from sqlalchemy.engine import Connection

from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.sql import Dialect, TableName

_OURS = {"tidelock_offsets", "tidelock_topics"}
_SYSTEM = {"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys"}
_QUOTED = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|([^.,\s"`]+)|([.,])')


def tables_of(connection: Connection, settings: JdbcSourceSettings) -> list[TableName]:
    """Ask the database for its tables, in order, without the ones that are not wanted."""
    inspector = sqlalchemy.inspect(connection)
    found: list[TableName] = []
    kinds = {kind.strip().upper() for kind in settings.table_types}
    for schema in _schemas(inspector, connection, settings.schema_pattern):
        names: list[str] = []
        if "TABLE" in kinds:
            names += inspector.get_table_names(schema)
        if "VIEW" in kinds:
            names += inspector.get_view_names(schema)
        found += [TableName(name, schema) for name in names if name not in _OURS]
    return wanted(sorted(found, key=str), settings)


def _schemas(
    inspector: sqlalchemy.Inspector, connection: Connection, pattern: str | None
) -> list[str | None]:
    name = connection.dialect.name
    if name == "sqlite":
        return [None]
    if name != "postgresql":
        return [str(connection.engine.url.database)]
    like = re.escape(pattern).replace("%", ".*").replace("_", ".") if pattern else ".*"
    return [
        schema
        for schema in inspector.get_schema_names()
        if schema not in _SYSTEM and re.fullmatch(like, schema)
    ]


def wanted(tables: Sequence[TableName], settings: JdbcSourceSettings) -> list[TableName]:
    """Return the tables that the lists of a configuration leave."""

    def named(table: TableName, names: Iterable[str]) -> bool:
        return any(
            name.strip().replace('"', "").replace("`", "") in (table.name, str(table)) for name in names
        )

    def matches(table: TableName, patterns: Iterable[str]) -> bool:
        return any(re.fullmatch(one, text) for one in patterns for text in (table.name, str(table)))

    if settings.table_whitelist:
        tables = [table for table in tables if named(table, settings.table_whitelist)]
    if settings.table_include_list:
        tables = [table for table in tables if matches(table, settings.table_include_list)]
    return [
        table
        for table in tables
        if not named(table, settings.table_blacklist) and not matches(table, settings.table_exclude_list)
    ]


def divided(tables: Sequence[TableName], tasks: int) -> list[list[TableName]]:
    """Divide tables among at most `tasks` tasks, as evenly as they go, in order; no task is empty."""
    count = min(tasks, len(tables))
    groups: list[list[TableName]] = []
    start = 0
    for number in range(count):
        size = len(tables) // count + (1 if number < len(tables) % count else 0)
        groups.append(list(tables[start : start + size]))
        start += size
    return groups


def written(tables: Iterable[TableName], dialect: Dialect) -> str:
    """Return a task's tables as its configuration has them."""
    return ",".join(dialect.quote_table(table) for table in tables)


def read(text: str) -> list[TableName]:
    """Read a task's tables; a catalog in front of a schema is left out, the URL names it."""
    tables: list[TableName] = []
    parts: list[str] = []
    for found in _QUOTED.finditer(text + ","):
        double, back, plain, mark = found.groups()
        if mark == ",":
            if parts:
                tables.append(TableName(parts[-1], parts[-2] if len(parts) > 1 else None))
            parts = []
        elif mark is None:
            quoted = double.replace('""', '"') if double is not None else None
            parts.append(
                quoted if quoted is not None else back.replace("``", "`") if back is not None else plain
            )
    return tables
