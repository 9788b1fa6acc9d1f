"""VerifiableSource and VerifiableSink: numbered records, and a JSON line on standard output for each.

For tests of a whole installation: whoever reads the lines knows what was sent, what Kafka has, what a sink
took and what it flushed, over any number of kills. A source's task goes on behind the last number stored.
Imports the api, and tidelock.runtime for its clock.

Source: Kafka `org.apache.kafka.connect.tools.{VerifiableSourceTask, VerifiableSinkTask}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import (
    Offsets,
    RecordBatch,
    Schema,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    SourceConnector,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
    Struct,
)
from tidelock.runtime import SystemClock

HIGH, LOW = Importance.HIGH, Importance.LOW
BATCH = 1000
"""Records of one poll at most."""
KEY, NUMBER = Schema.int32(), Schema.int64()
COMPLETE = Schema.struct(
    {
        "name": Schema.string(),
        "task": Schema.int32(),
        "topic": Schema.string(),
        "time_ms": Schema.int64(),
        "seqno": Schema.int64(),
    }
)


class VerifiableSourceSettings(Settings):
    """Keys of VerifiableSourceConnector."""

    topic: str = key(importance=HIGH, doc="The topic to write to.")
    throughput: int = key(importance=HIGH, doc="Records a second of each task; below 0: as fast as it goes.")
    complete_record_data: bool = key(
        default=False, importance=LOW, doc="Whether a value is the whole line, not only the number."
    )


class VerifiableSinkSettings(Settings):
    """VerifiableSinkConnector has no keys of its own."""


def allowance(throughput: int, passed: float, sent: int) -> int:
    """Return how many records may be sent now.

    Args:
        throughput: records a second; below 0: any number.
        passed: seconds since the start.
        sent: records since the start.
    """
    if throughput < 0:
        return BATCH
    return max(0, min(BATCH, int(throughput * passed) - sent))


def _tell(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


class VerifiableSourceTask(SourceTask):
    """Counts up."""

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """See SourceTask."""
        self._settings = VerifiableSourceSettings.parse(props, strict=False, where=context.connector)
        self._name, self._id, self._clock = context.connector, int(props["id"]), SystemClock()
        self._partition = {"id": self._id}
        stored = context.offset(self._partition)
        self._first = self._next = 0 if stored is None else int(stored["seqno"]) + 1
        self._committed = self._next  # everything below was told to be in Kafka
        self._started = self._clock.monotonic()

    def poll(self) -> Sequence[SourceRecord] | None:
        """See SourceTask."""
        passed = self._clock.monotonic() - self._started
        count = allowance(self._settings.throughput, passed, self._next - self._first)
        numbers = range(self._next, self._next + count)
        self._next += count
        records = [self._record(number) for number in numbers]
        sys.stdout.flush()
        return records

    def _record(self, number: int) -> SourceRecord:
        line = self._line(number)
        _tell(line)
        topic, offset = self._settings.topic, {"seqno": number}
        whole = self._settings.complete_record_data
        value, schema = (Struct(COMPLETE, line), COMPLETE) if whole else (number, NUMBER)
        return SourceRecord(self._partition, offset, topic, value, schema, self._id, KEY)

    def _line(self, number: int) -> dict[str, Any]:
        return {
            "name": self._name,
            "task": self._id,
            "topic": self._settings.topic,
            "time_ms": int(self._clock.wall() * 1000),
            "seqno": number,
        }

    def committed(self, offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """See SourceTask: tells each number that Kafka has."""
        for _, offset in offsets:
            for number in range(self._committed, offset["seqno"] + 1):
                _tell({**self._line(number), "committed": True})
            self._committed = max(self._committed, offset["seqno"] + 1)
        sys.stdout.flush()


class VerifiableSourceConnector(SourceConnector):
    """Numbered records into a topic, from as many tasks as tasks.max says."""

    settings = VerifiableSourceSettings
    task_class = VerifiableSourceTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """See Connector; each task has its number as `id`."""
        return [{**self.props, "id": str(number)} for number in range(max_tasks)]


class VerifiableSinkTask(SinkTask):
    """Tells what it takes, and again what is flushed."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """See SinkTask."""
        self._name, self._id, self._clock = context.connector, int(props["id"]), SystemClock()
        self._unflushed: list[dict[str, Any]] = []

    def put(self, batch: RecordBatch) -> None:
        """See SinkTask."""
        now = int(self._clock.wall() * 1000)
        for offset, task, value in zip(batch.offsets, batch.keys, batch.values, strict=True):
            line = {
                "name": self._name,
                "task": task,
                "sinkTask": self._id,
                "topic": batch.topic,
                "time_ms": now,
                "seqno": value.as_dict() if isinstance(value, Struct) else value,
                "offset": offset,
            }
            _tell(line)
            self._unflushed.append(line)
        sys.stdout.flush()

    def flush(self, offsets: Offsets) -> None:
        """See SinkTask."""
        now = int(self._clock.wall() * 1000)
        for line in self._unflushed:
            _tell({**line, "time_ms": now, "flushed": True})
        self._unflushed.clear()
        sys.stdout.flush()


class VerifiableSinkConnector(SinkConnector):
    """Tells of every record on standard output."""

    settings = VerifiableSinkSettings
    task_class = VerifiableSinkTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """See Connector; each task has its number as `id`."""
        return [{**self.props, "id": str(number)} for number in range(max_tasks)]
