"""The keys of the SQL sink: Confluent's names, defaults and meaning, and one of our own.

Keys that steer other databases or a Java driver are accepted and have no effect; docs/compat/jdbc.md lists
them. Imports connection.py and tidelock.config.

Source: Confluent `io.confluent.connect.jdbc.sink.JdbcSinkConfig`.
"""

from __future__ import annotations

from tidelock.config import key
from tidelock.connect.connectors.jdbc.connection import HIGH, LOW, ConnectionSettings, known_zone

KAFKA_COLUMNS = ("__connect_topic", "__connect_partition", "__connect_offset")


class JdbcSinkSettings(ConnectionSettings):
    """Configuration of JdbcSinkConnector."""

    insert_mode: str = key(
        default="insert",
        choices=("insert", "upsert", "update"),
        importance=HIGH,
        group="Writes",
        doc="insert appends; upsert inserts or overwrites by primary key; update overwrites only.",
    )
    batch_size: int = key(
        default=3000, at_least=1, group="Writes", doc="Accepted; a batch of the worker is one transaction."
    )
    delete_enabled: bool = key(
        default=False,
        group="Writes",
        doc="A null value deletes its key's row; needs pk.mode=record_key.",
    )
    table_types: tuple[str, ...] = key(
        default=("TABLE",),
        importance=LOW,
        group="Writes",
        doc="Accepted; tables are found by name.",
    )
    table_name_format: str = key(
        default="${topic}", group="Data Mapping", doc="The table's name; ${topic} stands for the topic."
    )
    pk_mode: str = key(
        default="none",
        choices=("none", "kafka", "record_key", "record_value"),
        importance=HIGH,
        group="Data Mapping",
        doc="Where the primary key comes from: the record's place in Kafka, its key, or fields of its value.",
    )
    pk_fields: tuple[str, ...] = key(
        default=(), group="Data Mapping", doc="Names of the primary key's columns; see pk.mode."
    )
    fields_whitelist: tuple[str, ...] = key(
        default=(), group="Data Mapping", doc="Fields of the value to write; empty writes all."
    )
    db_timezone: str = key(
        default="UTC",
        check=known_zone,
        group="Data Mapping",
        doc="Zone of the wall-clock time that timestamp columns without a zone get.",
    )
    date_timezone: str = key(
        default="DB_TIMEZONE",
        choices=("DB_TIMEZONE", "UTC"),
        importance=LOW,
        group="Data Mapping",
        doc="Accepted; a Date is a day and stays that day.",
    )
    timestamp_fields_list: tuple[str, ...] = key(
        default=(),
        group="Data Mapping",
        doc="Fields of whole numbers or texts since the epoch that become timestamps; see the next key.",
    )
    timestamp_precision_mode: str = key(
        default="microseconds",
        choices=("microseconds", "nanoseconds"),
        importance=LOW,
        group="Data Mapping",
        doc="What these fields count. Columns keep microseconds; nanoseconds are cut off.",
    )
    replace_null_with_default: bool = key(
        default=True, group="Data Mapping", doc="Accepted; null fields take their schema's default."
    )
    auto_create: bool = key(
        default=False, group="DDL Support", doc="Create a missing table from the record's schema."
    )
    auto_evolve: bool = key(
        default=False,
        group="DDL Support",
        doc="Add missing columns that are nullable or have a default.",
    )
    quote_sql_identifiers: str = key(
        default="always", importance=LOW, group="DDL Support", doc="Accepted; identifiers are always quoted."
    )
    max_retries: int = key(
        default=10, at_least=0, group="Retries", doc="Times a batch is tried again before the task fails."
    )
    retry_backoff_ms: int = key(
        default=3000, at_least=0, group="Retries", doc="Pause before a batch is tried again."
    )
    mssql_use_merge_holdlock: bool = key(default=True, importance=LOW, doc="Accepted; SQL Server only.")
    trim_sensitive_log: bool = key(default=False, importance=LOW, doc="Accepted; values are never logged.")
    exactly_once: bool = key(
        default=True,
        name="tidelock.exactly.once",
        importance=HIGH,
        group="Writes",
        doc="Keep offsets in table tidelock_offsets of the target, in the rows' own transaction.",
    )
