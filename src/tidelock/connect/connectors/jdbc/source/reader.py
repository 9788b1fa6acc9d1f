"""Reads one table, or the query, after a position: each turn runs statements and returns records. Blocking.

The rules are in modes and gaps; time is an argument. What hangs on the table's columns is made at the first
turn, and again when the columns are others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy.engine import Connection, Engine

from tidelock.connect.api import SourceRecord
from tidelock.connect.connectors.jdbc.source.columns import Shape
from tidelock.connect.connectors.jdbc.source.gaps import Settling, passable
from tidelock.connect.connectors.jdbc.source.modes import Condition, Mode, mode_of
from tidelock.connect.connectors.jdbc.source.position import Position
from tidelock.connect.connectors.jdbc.source.statements import Origin, Places, places_of
from tidelock.connect.connectors.jdbc.source.writers import Writers
from tidelock.sql import translated
from tidelock.sql.errors import TransientSqlError

HELD_BACK = 0.1
"""Seconds until rows that wait for somebody else's transaction are looked at again, at most."""
_TICK = dt.timedelta(milliseconds=1)  # the coarsest step of a time that a database compares

Row = Sequence[Any]


class Reader(Protocol):
    """One table's turns.

    Attributes:
        due_at: monotonic time of the next turn.
    """

    due_at: float

    def read(self, engine: Engine, now: float) -> list[SourceRecord]:
        """Take a turn; an empty list has set `due_at`."""

    def reset(self) -> None:
        """Forget everything that hangs on a connection, after an error."""


class RowReader:
    """Reads rows after a position; see Reader.

    Args:
        origin: what to read.
        offset: the stored one.
        is_table: whether it is one table, and no view or query.
    """

    def __init__(self, origin: Origin, offset: Mapping[str, Any] | None, *, is_table: bool) -> None:
        settings = origin.settings
        self.due_at = 0.0
        self._origin = origin
        self._position = _first_position(origin, offset)
        self._begins_now = not offset and settings.timestamp_initial == -1
        self._writers = Writers(origin.database, origin.quoted if is_table else None)
        wait = 0.0 if origin.database == "sqlite" else settings.gap_wait_ms / 1000
        self._ids: Settling[int] = Settling(wait)
        self._times: Settling[dt.datetime] = Settling()
        self._names: tuple[str, ...] = ()

    def reset(self) -> None:
        """See Reader."""
        self._names = ()

    def read(self, engine: Engine, now: float) -> list[SourceRecord]:
        """See Reader."""
        with engine.connect() as connection:
            if not self._names:
                self._prepare(connection)
            find = self._timed if self._mode.has_time else self._numbered
            rows, is_held = find(connection, now)
        if not rows:
            pause = self._origin.settings.poll_interval_ms / 1000
            self.due_at = now + (min(pause, HELD_BACK) if is_held else pause)
        return self._records(rows)

    def _prepare(self, connection: Connection) -> None:
        table = self._origin.columns(connection)
        self._shape = Shape(self._origin.schema_name, table.columns, self._origin.rules)
        self._places: Places = places_of(self._origin, table)
        self._mode: Mode = mode_of(self._origin.settings.mode, self._places.identity, self._places.time)
        self._names = tuple(column.name for column in table.columns)
        if self._begins_now and self._mode.has_time:
            self._position, self._begins_now = Position(timestamp=self._origin.now(connection)), False

    def _numbered(self, connection: Connection, now: float) -> tuple[list[Row], bool]:
        """Return the rows that may be handed over, and whether others have to wait; by id."""
        last, limit = self._position.incrementing, self._origin.settings.batch_max_rows
        condition = self._mode.condition(self._position, None)
        rows = self._rows(connection, condition, limit)
        ids = self._ids_of(rows)
        locks = self._writers.needs_locks
        count = passable(last, ids, Settling() if locks else self._ids)
        if count == len(rows):
            return rows, False
        if not self._ids.covers(ids[count]):
            self._look(connection, now)
        settled = self._ids.settled
        if settled is None or not self._ids.covers(ids[count]):
            return rows[:count], True
        condition = self._mode.condition(self._position, None).up_to(self._places.identity, settled)
        try:
            with translated(connection.engine.url):
                return self._rows(connection, condition, limit, lock=locks), False
        except TransientSqlError:  # somebody still holds a row before the gap's end
            return rows[:count], True

    def _look(self, connection: Connection, now: float) -> None:
        """Observe: the highest id first, then who is writing, so that none of its writers is missed."""
        high = connection.execute(self._origin.highest(self._places.identity)).scalar()
        if high is None:
            return
        writers = self._writers.ask(connection)
        if writers is not None:
            self._ids.saw(int(high), writers, now)

    def _timed(self, connection: Connection, now: float) -> tuple[list[Row], bool]:
        """Return the rows that may be handed over, and whether others have to wait; by time."""
        limit = self._origin.settings.batch_max_rows
        rows = self._settled(connection, limit + 1)
        if not rows:
            self._look_at_times(connection, now)
            rows = self._settled(connection, limit + 1)
        until = self._times.settled
        if until is None:
            return [], True
        count = self._mode.split([self._position_of(row) for row in rows], limit)
        if count is None:  # one time has more rows than a batch
            time = self._position_of(rows[0]).timestamp
            assert time is not None
            whole = self._mode.condition(self._position, min(until, time + _TICK))
            return self._rows(connection, whole, None), False
        return rows[:count], False

    def _settled(self, connection: Connection, limit: int) -> list[Row]:
        """Return rows of settled times, for which nobody has to be asked."""
        until = self._times.settled
        if until is None:
            return []
        return self._rows(connection, self._mode.condition(self._position, until), limit)

    def _look_at_times(self, connection: Connection, now: float) -> None:
        """Observe: the time first, then who is writing; rows are read in a view that is younger than both."""
        connection.rollback()
        delay = dt.timedelta(milliseconds=self._origin.settings.timestamp_delay_interval_ms)
        time = self._origin.now(connection) - delay
        writers = self._writers.ask(connection)
        if writers is not None:
            self._times.saw(time, writers, now)

    def _rows(
        self, connection: Connection, condition: Condition, limit: int | None, *, lock: bool = False
    ) -> list[Row]:
        statement = self._origin.some(self._mode.places, condition, limit, lock=lock)
        result = connection.execute(statement, self._places.parameters(condition.values))
        names = tuple(result.keys())[: -len(self._mode.places)]
        rows: list[Row] = [tuple(row) for row in result]
        if names != self._names:  # the table was altered
            self._prepare(connection)
        return rows

    def _position_of(self, row: Row) -> Position:
        values = list(row[-len(self._mode.places) :])
        if self._mode.has_time:
            values[0] = self._places.instant(values[0])
        return self._mode.position(values)

    def _ids_of(self, rows: Sequence[Row]) -> list[int]:
        return [int(row[-1]) for row in rows]

    def _records(self, rows: Sequence[Row]) -> list[SourceRecord]:
        """Make records; a position is told with the last row that has it, so that a restart loses none."""
        positions = [self._position_of(row) for row in rows]
        records = []
        for place, row in enumerate(rows):
            if place + 1 == len(rows) or positions[place + 1] != positions[place]:
                self._position = positions[place]
            value = self._shape.struct(row)
            records.append(
                SourceRecord(
                    self._origin.partition,
                    self._position.as_offset(),
                    self._origin.topic,
                    value,
                    self._shape.schema,
                )
            )
        return records


def _first_position(origin: Origin, offset: Mapping[str, Any] | None) -> Position:
    initial = origin.settings.timestamp_initial
    if not offset and initial not in (None, -1) and "timestamp" in origin.settings.mode:
        return Position.of({"timestamp": initial})
    return Position.of(offset)
