"""The statements of one source of rows: a table or a query, in the words of its database.

Texts are made here and run by the readers. Named parameters are SQLAlchemy's.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection

from tidelock.connect.api import ConnectError
from tidelock.connect.connectors.jdbc.source.columns import Rules, instant
from tidelock.connect.connectors.jdbc.source.modes import Condition
from tidelock.connect.connectors.jdbc.source.position import QUERY_PARTITION, partition_of
from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.sql import Dialect, Kind, TableName
from tidelock.sql.queries import literal_text, query_columns
from tidelock.sql.types import Column, Table

UTC = zoneinfo.ZoneInfo("UTC")
_SQLITE_TIME = "%Y-%m-%d %H:%M:%f"
_NOW = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT utc_timestamp(6)",
    "sqlite": f"SELECT strftime('{_SQLITE_TIME}', 'now')",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: a table, or the query of the settings."""

    table: TableName | None
    settings: JdbcSourceSettings
    dialect: Dialect
    database: str

    @property
    def topic(self) -> str:
        """Where the rows go."""
        prefix = self.settings.topic_prefix
        return prefix if self.table is None else f"{prefix}{self.table.name}"

    @property
    def schema_name(self) -> str | None:
        """Name of the values' schema."""
        return None if self.table is None else self.table.name

    @property
    def partition(self) -> Mapping[str, str]:
        """The source partition of its rows."""
        return QUERY_PARTITION if self.table is None else partition_of(self.table)

    @property
    def rules(self) -> Rules:
        """How its values are converted."""
        zone = zoneinfo.ZoneInfo(self.settings.db_timezone)
        return Rules(self.settings.numbers, zone, self.database, self.settings.timestamp_granularity)

    @property
    def where(self) -> str:
        """The origin in people's words."""
        return "the query" if self.table is None else f"table {self.table}"

    @property
    def quoted(self) -> str | None:
        """The table as SQL."""
        return None if self.table is None else self.dialect.quote_table(self.table)

    @property
    def rows(self) -> str:
        """What follows FROM; `q` names it."""
        if self.quoted is not None:
            return f"{literal_text(self.quoted)} AS q"
        return f"({literal_text(self.settings.query)}) AS q"

    def columns(self, connection: Connection) -> Table:
        """Ask the database what a row has."""
        if self.table is not None:
            return self.dialect.reflect(connection, self.table)
        return Table(TableName("query"), query_columns(connection, self.settings.query))

    def everything(self) -> sqlalchemy.TextClause:
        """Return the statement that reads all rows."""
        if self.table is None:
            return sqlalchemy.text(literal_text(self._with_suffix(self.settings.query)))
        return sqlalchemy.text(self._with_suffix(f"SELECT q.* FROM {self.rows}"))

    def some(
        self, places: Sequence[str], condition: Condition, limit: int | None, *, lock: bool
    ) -> sqlalchemy.TextClause:
        """Return the statement that reads the rows of a condition, `places` behind their columns."""
        text = (
            f"SELECT q.*, {', '.join(places)} FROM {self.rows} "
            f"WHERE {condition.where} ORDER BY {condition.order}"
        )
        if limit is not None:
            text += f" LIMIT {limit}"
        text = self._with_suffix(text)
        return sqlalchemy.text(f"{text} LOCK IN SHARE MODE" if lock else text)

    def highest(self, place: str) -> sqlalchemy.TextClause:
        """Return the statement that reads the highest value."""
        return sqlalchemy.text(f"SELECT max({place}) FROM {self.rows}")

    def now(self, connection: Connection) -> dt.datetime:
        """Ask the database for its time."""
        return instant(connection.exec_driver_sql(_NOW[self.database]).scalar(), UTC)

    def _with_suffix(self, text: str) -> str:
        return f"{text} {literal_text(self.settings.query_suffix)}" if self.settings.query_suffix else text


@dataclass(frozen=True, slots=True)
class Places:
    """The columns that make positions, as SQL, and how their times are read and asked for.

    Attributes:
        identity: SQL of the id.
        time: SQL of the timestamp.
        zone: of its wall-clock time.
        keeps_zone: whether the column holds instants.
        database: see Origin.
    """

    identity: str
    time: str
    zone: zoneinfo.ZoneInfo
    keeps_zone: bool
    database: str

    def instant(self, value: Any) -> dt.datetime | None:
        """Return what the database gave for `time`."""
        return None if value is None else instant(value, UTC if self.keeps_zone else self.zone)

    def parameters(self, values: Mapping[str, int | dt.datetime]) -> dict[str, Any]:
        """Return parameters as the columns are compared with them."""
        return {
            name: self._time(value) if isinstance(value, dt.datetime) else value
            for name, value in values.items()
        }

    def _time(self, value: dt.datetime) -> Any:
        if self.keeps_zone:
            return value if self.database == "postgresql" else value.astimezone(dt.UTC).replace(tzinfo=None)
        wall = value.astimezone(self.zone).replace(tzinfo=None)
        return wall.isoformat(" ", "milliseconds") if self.database == "sqlite" else wall


def places_of(origin: Origin, table: Table) -> Places:
    """Find the columns of the configuration's mode.

    Raises:
        ConnectError: they are not there, may be null, or there is no one whole-number key.
    """
    settings = origin.settings
    identity, time = "", ""
    keeps_zone = False
    if "incrementing" in settings.mode:
        column = _identity(origin, table)
        _require_value(origin, [column])
        identity = f"q.{literal_text(origin.dialect.quote(column.name))}"
    if "timestamp" in settings.mode:
        columns = table.require(settings.timestamp_column_name)
        _require_value(origin, columns)
        time = _time_sql(origin, [column.name for column in columns])
        declared = columns[0].type.declared
        keeps_zone = "with time zone" in declared or (
            origin.database == "mysql" and declared.startswith("timestamp")
        )
    return Places(identity, time, origin.rules.zone, keeps_zone, origin.database)


def _identity(origin: Origin, table: Table) -> Column:
    name = origin.settings.incrementing_column_name
    if name:
        return table.require([name])[0]
    key = table.require(table.key)
    if len(key) == 1 and key[0].type.kind is Kind.INTEGER:
        return key[0]
    raise ConnectError(
        "no column counts up: the primary key is not one whole number",
        where=origin.where,
        hint="name the column in incrementing.column.name, or use mode=timestamp or bulk",
    )


def _require_value(origin: Origin, columns: Sequence[Column]) -> None:
    """Refuse columns that may all be null: such rows would never be read."""
    if origin.table is None or not origin.settings.validate_non_null:
        return
    is_rowid = origin.database == "sqlite" and columns[0].type.kind is Kind.INTEGER
    if all(column.nullable for column in columns) and not is_rowid:
        names = ", ".join(column.name for column in columns)
        raise ConnectError(
            f"column {names} may be null, and a row without it would never be read",
            where=origin.where,
            hint="declare it NOT NULL, or set validate.non.null=false",
        )


def _time_sql(origin: Origin, names: Sequence[str]) -> str:
    columns = [f"q.{literal_text(origin.dialect.quote(name))}" for name in names]
    if origin.database == "sqlite":  # text in several forms, or milliseconds: compared in one form
        form = literal_text(_SQLITE_TIME)
        columns = [
            f"CASE typeof({one}) WHEN 'integer' THEN strftime('{form}', {one} / 1000.0, 'unixepoch') "
            f"ELSE strftime('{form}', {one}) END"
            for one in columns
        ]
    return columns[0] if len(columns) == 1 else f"coalesce({', '.join(columns)})"
