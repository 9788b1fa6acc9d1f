"""Mode bulk: reads a whole table, or the query, in parts, again at every interval. Blocking.

One statement feeds many turns, so the parts are of one moment, and a large table never is in memory. There
is no position: after a restart the table is read from its beginning.

Source: Confluent `io.confluent.connect.jdbc.source.BulkTableQuerier`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, CursorResult, Engine

from tidelock.connect.api import SourceRecord
from tidelock.connect.connectors.jdbc.source.columns import Shape
from tidelock.connect.connectors.jdbc.source.statements import Origin


class BulkReader:
    """See Reader.

    Args:
        origin: what to read.
    """

    def __init__(self, origin: Origin) -> None:
        self.due_at = 0.0
        self._origin = origin
        self._connection: Connection | None = None
        self._result: CursorResult[Any] | None = None

    def reset(self) -> None:
        """See Reader."""
        result, self._result = self._result, None
        if result is not None:
            result.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def read(self, engine: Engine, now: float) -> list[SourceRecord]:
        """See Reader."""
        if self._result is None:
            self._begin(engine)
        assert self._result is not None
        rows = self._result.fetchmany(self._origin.settings.batch_max_rows)
        if not rows:
            self.reset()
            self.due_at = now + self._origin.settings.poll_interval_ms / 1000
        origin, shape = self._origin, self._shape
        return [
            SourceRecord(origin.partition, {}, origin.topic, shape.struct(row), shape.schema) for row in rows
        ]

    def _begin(self, engine: Engine) -> None:
        self._connection = engine.connect().execution_options(stream_results=True)
        table = self._origin.columns(self._connection)
        self._shape = Shape(self._origin.schema_name, table.columns, self._origin.rules)
        self._result = self._connection.execute(self._origin.everything())
