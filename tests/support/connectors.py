"""Connectors that misbehave on demand, named as a third party's: `tests.support.connectors:Class`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidelock.config import Settings, key
from tidelock.connect.api import (
    ConnectorContext,
    RecordBatch,
    Schema,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    SourceConnector,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
)


class FolderSettings(Settings):
    folder: str = key(doc="Where the test leaves its wishes.")
    topic: str = key(default="t", doc="Topic.")


class CountingTask(SourceTask):
    """Counts up, one number a poll; raises while a file `broken` is there."""

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        self._folder = Path(props["folder"])
        self._topic = props.get("topic", "t")
        self._partition = {"task": props["part"]}
        stored = context.offset(self._partition) or {"next": 0}
        self._next = stored["next"]

    def poll(self) -> Sequence[SourceRecord] | None:
        if (self._folder / "broken").exists():
            raise ValueError("broken on purpose")
        if self._next >= 100:
            return None
        number, self._next = self._next, self._next + 1
        text = f"{self._partition['task']}:{number}"
        return [SourceRecord(self._partition, {"next": self._next}, self._topic, text, Schema.string())]


class CountingSource(SourceConnector):
    """One task, and two once a file `more` is there: it asks for that itself."""

    settings = FolderSettings
    task_class = CountingTask

    def start(self, context: ConnectorContext, props: Mapping[str, str]) -> None:
        super().start(context, props)
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, args=(context,), daemon=True).start()

    def _watch(self, context: ConnectorContext) -> None:
        more = Path(self.props["folder"]) / "more"
        while not self._stopped.wait(0.05):
            if more.exists():
                context.request_reconfiguration()
                return

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        count = 2 if (Path(self.props["folder"]) / "more").exists() else 1
        return [{**self.props, "part": str(part)} for part in range(min(count, max_tasks))]

    def stop(self) -> None:
        self._stopped.set()


class StuckTask(SinkTask):
    """Never comes back from `put`."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        self._folder = Path(props["folder"])

    def put(self, batch: RecordBatch) -> None:
        (self._folder / "stuck").touch()
        time.sleep(3600)


class StuckSink(SinkConnector):
    settings = FolderSettings
    task_class = StuckTask


class BrokenSink(SinkConnector):
    """Cannot even start."""

    settings = FolderSettings
    task_class = StuckTask

    def start(self, context: ConnectorContext, props: Mapping[str, str]) -> None:
        raise RuntimeError("no licence")


class LeakingTask(SinkTask):
    """Takes 20 MiB and never gives them back, again and again."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        self._kept: list[bytes] = []

    def put(self, batch: RecordBatch) -> None:
        while True:
            self._kept.append(b"x" * (20 << 20))
            time.sleep(0.02)


class LeakingSink(SinkConnector):
    settings = FolderSettings
    task_class = LeakingTask


class MoodyTask(SinkTask):
    """Raises once in a while."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        self._chance = random.Random(props["seed"] + str(time.monotonic()))

    def put(self, batch: RecordBatch) -> None:
        if self._chance.random() < 0.5:
            raise ValueError("in a bad mood")


class MoodySettings(FolderSettings):
    seed: str = key(doc="Of its moods.")


class MoodySink(SinkConnector):
    settings = MoodySettings
    task_class = MoodyTask


class NumbersSettings(Settings):
    parts: int = key(default=4, doc="Source partitions, divided among the tasks.")
    limits: str = key(doc="File with the number that every partition counts up to; read at every poll.")
    topic: str = key(doc="Topic.")


class NumbersTask(SourceTask):
    """Counts up in each of its partitions, a few numbers a poll, from the offset that is stored."""

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        self._props = props
        mine = range(int(props["first"]), int(props["parts"]), int(props["step"]))
        stored = context.read_offsets([{"part": part} for part in mine])
        self._next = {part: (one or {"next": 0})["next"] for part, one in zip(mine, stored, strict=True)}

    def poll(self) -> Sequence[SourceRecord] | None:
        time.sleep(0.005)
        limit = int(Path(self._props["limits"]).read_text() or "0")
        made: list[SourceRecord] = []
        for part, number in self._next.items():
            end = self._next[part] = min(number + 3, limit) if number < limit else number
            made += [self._record(part, one) for one in range(number, end)]
        return made or None

    def _record(self, part: int, number: int) -> SourceRecord:
        text = f"{part}:{number}"
        return SourceRecord({"part": part}, {"next": number + 1}, self._props["topic"], text, Schema.string())


class NumbersSource(SourceConnector):
    """As many tasks as it may have, and never more than partitions."""

    settings = NumbersSettings
    task_class = NumbersTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        props = {"parts": "4", **self.props}
        count = min(max_tasks, int(props["parts"]))
        return [{**props, "first": str(first), "step": str(count)} for first in range(count)]

    def exactly_once_support(self, props: Mapping[str, str]) -> bool:
        return True
