"""The SQL source connector: finds the tables, divides them among tasks, and notices new ones.

Source: Confluent `io.confluent.connect.jdbc.{JdbcSourceConnector, source.TableMonitorThread}`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import URL

from tidelock.config import Problem
from tidelock.connect.api import ConnectError, ConnectorContext, SourceConnector
from tidelock.connect.connectors.jdbc.connection import url_of
from tidelock.connect.connectors.jdbc.source import catalogue
from tidelock.connect.connectors.jdbc.source.position import QUERY_PARTITION, Position
from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.connect.connectors.jdbc.source.task import JdbcSourceTask
from tidelock.sql import Dialect, TableName, dialect_for, open_engine, translated
from tidelock.sql.errors import SqlError

log = logging.getLogger(__name__)

STOP_WAIT = 5.0
"""Seconds that stopping waits for a look at the catalogue to end."""


class TableMonitor:
    """Looks at the catalogue, again and again in a thread of its own.

    Args:
        settings: which tables are wanted, and how often to look.
        changed: called when there are others than before.
    """

    def __init__(self, settings: JdbcSourceSettings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._url: URL = url_of(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tables", daemon=True)
        self.tables: list[TableName] = []
        self.dialect: Dialect | None = None

    def start(self) -> None:
        """Look for the first time, and begin to watch."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WAIT)

    def _watch(self) -> None:
        while not self._stopping.wait(self._pause):
            if self._look():
                self._changed()

    @property
    def _pause(self) -> float:
        settings = self._settings
        first = settings.connection_backoff_ms if self.dialect is None else settings.table_poll_interval_ms
        return min(first, settings.table_poll_interval_ms) / 1000

    def _look(self) -> bool:
        """Read the catalogue; whether it has other tables. One that cannot be read is as it was."""
        engine = open_engine(self._url)
        try:
            with translated(self._url), engine.connect() as connection:
                found, self.dialect = (
                    catalogue.tables_of(connection, self._settings),
                    dialect_for(connection),
                )
        except SqlError as error:
            if not error.retriable:
                raise
            log.warning("cannot look for tables now: %s", error.what)
            return False
        finally:
            engine.dispose()
        is_other, self.tables = found != self.tables, found
        return is_other


class JdbcSourceConnector(SourceConnector):
    """Rows of SQLite, PostgreSQL or MySQL/MariaDB tables into topics."""

    settings = JdbcSourceSettings
    task_class = JdbcSourceTask

    def __init__(self) -> None:
        super().__init__()
        self._monitor: TableMonitor | None = None

    def validate(self, props: Mapping[str, str]) -> list[Problem]:
        """See Connector: the combinations of mode, tables and query."""
        values, problems = JdbcSourceSettings.examine(props, strict=False)
        if problems:
            return []  # the worker reports these; combinations need all values
        return list(_combinations(JdbcSourceSettings(**values)))

    def start(self, context: ConnectorContext, props: Mapping[str, str]) -> None:
        """See Connector."""
        super().start(context, props)
        settings = JdbcSourceSettings.parse(props, strict=False, where=context.connector)
        if not settings.query:
            self._monitor = TableMonitor(settings, context.request_reconfiguration)
            self._monitor.start()

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """See Connector; a query is one task, tables are divided, no table is no task."""
        if self._monitor is None:
            return [dict(self.props)]
        dialect = self._monitor.dialect
        if dialect is None or not self._monitor.tables:
            log.warning("there is no table to read yet; looking again later")
            return []
        groups = catalogue.divided(self._monitor.tables, max_tasks)
        return [{**self.props, "tables": catalogue.written(group, dialect)} for group in groups]

    def stop(self) -> None:
        """See Connector."""
        if self._monitor is not None:
            self._monitor.stop()

    def exactly_once_support(self, props: Mapping[str, str]) -> bool | None:
        """See SourceConnector: every mode but bulk has positions."""
        return props.get("mode") != "bulk"

    def alter_offsets(
        self,
        props: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """See SourceConnector: partitions and offsets as in position.py."""
        for partition, offset in offsets:
            if partition != QUERY_PARTITION and "table" not in partition:
                raise ConnectError("a partition is {'protocol': '1', 'table': ...} or {'query': 'query'}")
            if offset is not None:
                Position.of(offset)
        return True


def _combinations(settings: JdbcSourceSettings) -> Iterator[Problem]:
    lists = {
        "table.whitelist": settings.table_whitelist,
        "table.blacklist": settings.table_blacklist,
        "table.include.list": settings.table_include_list,
        "table.exclude.list": settings.table_exclude_list,
    }
    if settings.query:
        for name, value in lists.items():
            if value:
                yield Problem(name, ",".join(value), "query and lists of tables exclude each other")
    if settings.table_whitelist and settings.table_blacklist:
        shown = ",".join(settings.table_blacklist)
        yield Problem("table.blacklist", shown, "table.whitelist and table.blacklist exclude each other")
    if "timestamp" in settings.mode and not settings.timestamp_column_name:
        yield Problem("timestamp.column.name", None, f"mode={settings.mode} needs timestamp.column.name")
    if "incrementing" in settings.mode and settings.query and not settings.incrementing_column_name:
        yield Problem("incrementing.column.name", None, "a query needs incrementing.column.name")
