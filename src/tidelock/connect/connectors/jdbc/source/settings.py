"""The keys of the SQL source: Confluent's names, defaults and meaning, and one of our own.

Keys without an effect here are accepted; docs/compat/jdbc.md lists them.

Source: Confluent `io.confluent.connect.jdbc.source.JdbcSourceConnectorConfig`.
"""

from __future__ import annotations

import re

from tidelock.config import key
from tidelock.connect.connectors.jdbc.connection import HIGH, LOW, ConnectionSettings, known_zone

MODES = ("bulk", "timestamp", "incrementing", "timestamp+incrementing")
GRANULARITIES = (
    "connect_logical",
    *(f"{unit}_{form}" for unit in ("micros", "nanos") for form in ("long", "string", "iso_datetime_string")),
)
NUMERIC_MAPPINGS = ("none", "precision_only", "best_fit", "best_fit_eager_double")


def _are_regexes(values: tuple[str, ...]) -> str | None:
    for value in values:
        try:
            re.compile(value)
        except re.error as error:
            return f"{value!r} is no regular expression: {error}"
    return None


class JdbcSourceSettings(ConnectionSettings):
    """Configuration of JdbcSourceConnector."""

    topic_prefix: str = key(
        importance=HIGH,
        group="Connector",
        doc="Before a table's name to make its topic; with `query` it is the topic.",
    )
    mode: str = key(
        choices=MODES,
        importance=HIGH,
        group="Mode",
        doc="How new rows are told: bulk reads everything each time, incrementing by a growing id, timestamp "
        "by a time of change, timestamp+incrementing by both.",
    )
    incrementing_column_name: str = key(
        default="", group="Mode", doc="The growing column; empty: the table's one whole-number primary key."
    )
    timestamp_column_name: tuple[str, ...] = key(
        default=(), group="Mode", doc="Columns with the time of change; the first that is not null counts."
    )
    timestamp_initial: int | None = key(
        default=None,
        group="Mode",
        doc="Where a table without an offset begins, in ms since the epoch; -1: now; without it: everything.",
    )
    validate_non_null: bool = key(
        default=True, importance=LOW, group="Mode", doc="Refuse tables whose columns for `mode` may be null."
    )
    query: str = key(default="", group="Mode", doc="One SELECT to read instead of tables.")
    query_suffix: str = key(default="", importance=LOW, group="Mode", doc="SQL after every statement.")
    query_retry_attempts: int = key(
        default=-1,
        at_least=-1,
        importance=LOW,
        group="Mode",
        doc="Times in a row that a failed statement is tried again; -1: for ever.",
    )
    table_whitelist: tuple[str, ...] = key(
        default=(), group="Database", doc="Tables to read, by name or with the schema in front."
    )
    table_blacklist: tuple[str, ...] = key(
        default=(), group="Database", doc="Tables not to read; excludes a whitelist."
    )
    table_include_list: tuple[str, ...] = key(
        default=(), check=_are_regexes, group="Database", doc="Patterns of the whole name of tables to read."
    )
    table_exclude_list: tuple[str, ...] = key(
        default=(), check=_are_regexes, group="Database", doc="Patterns of tables not to read after all."
    )
    catalog_pattern: str | None = key(
        default=None, importance=LOW, group="Database", doc="Accepted; the URL names the database."
    )
    schema_pattern: str | None = key(
        default=None, group="Database", doc="Schemas to look for tables in, with % and _; without it: all."
    )
    table_types: tuple[str, ...] = key(
        default=("TABLE",), importance=LOW, group="Database", doc="TABLE, VIEW, or both."
    )
    numeric_precision_mapping: bool = key(
        default=False,
        importance=LOW,
        group="Database",
        doc="The older way to say numeric.mapping=precision_only; counts where that is not given.",
    )
    numeric_mapping: str | None = key(
        default=None,
        choices=NUMERIC_MAPPINGS,
        importance=LOW,
        group="Database",
        doc="What becomes of NUMERIC and DECIMAL: none keeps Decimal; precision_only makes whole "
        "numbers of those without a fraction; best_fit also doubles of up to 18 digits; "
        "best_fit_eager_double of all.",
    )
    db_timezone: str = key(
        default="UTC", check=known_zone, group="Database", doc="Zone of timestamp columns that keep none."
    )
    poll_interval_ms: int = key(
        default=5000,
        at_least=0,
        importance=HIGH,
        group="Connector",
        doc="Pause before a table is read again.",
    )
    batch_max_rows: int = key(
        default=1000, at_least=1, importance=LOW, group="Connector", doc="Most rows of one statement."
    )
    table_poll_interval_ms: int = key(
        default=60_000,
        at_least=1,
        importance=LOW,
        group="Connector",
        doc="Pause between looks for new tables.",
    )
    timestamp_delay_interval_ms: int = key(
        default=0,
        at_least=0,
        group="Connector",
        doc="How long a row's time must be past before it is read.",
    )
    gap_wait_ms: int = key(
        default=500,
        at_least=0,
        name="tidelock.gap.wait.ms",
        group="Connector",
        doc="How long rows behind a missing id wait, beyond the end of every transaction that was writing.",
    )
    quote_sql_identifiers: str = key(
        default="always", importance=LOW, group="Database", doc="Accepted; identifiers are always quoted."
    )
    transaction_isolation_mode: str = key(
        default="DEFAULT", importance=LOW, group="Database", doc="Accepted; reads are READ COMMITTED."
    )
    timestamp_granularity: str = key(
        default="connect_logical",
        choices=GRANULARITIES,
        importance=LOW,
        group="Database",
        doc="What becomes of timestamps: connect_logical, to the millisecond; micros or nanos since 1970 "
        "as a whole number or as text; or date and time of day in db.timezone as text (ISO 8601, no zone).",
    )
    tables: str = key(
        default="", importance=LOW, group="Tasks", doc="A task's tables; the connector sets it."
    )

    @property
    def numbers(self) -> str:
        """What becomes of NUMERIC and DECIMAL, by either key."""
        return self.numeric_mapping or ("precision_only" if self.numeric_precision_mapping else "none")
