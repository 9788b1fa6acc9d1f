"""Kafka's clients and the worker's wire in memory, steered by the test."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidelock.client import Outgoing, OutgoingBatch
from tidelock.connect.api import TopicPartition
from tidelock.connect.runtime.failures import Skipped
from tidelock.connect.runtime.reporting import Reporter, ReportOptions
from tidelock.errors import TidelockError
from tidelock.runtime import ManualClock


@dataclass
class FakeMessage:
    """One record as a consumer hands it out."""

    at: int
    payload: bytes | None = b"v"
    topic_name: str = "t"
    partition_number: int = 0
    key_bytes: bytes | None = None
    header_list: list[tuple[str, bytes | None]] | None = None
    time: tuple[int, int] = (1, 1000)

    def topic(self) -> str:
        return self.topic_name

    def partition(self) -> int:
        return self.partition_number

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.payload

    def timestamp(self) -> tuple[int, int]:
        return self.time

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.header_list


@dataclass
class FakeConsumer:
    """Plays a script: each poll runs the next step, messages or a function; at its end the switch stops."""

    clock: ManualClock
    switch: FakeSwitch
    script: deque[Any] = field(default_factory=deque)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    troubles: deque[TidelockError] = field(default_factory=deque)
    commits_succeed: bool = True

    def subscribe(self, topics: Sequence[str], on_assign: Any, on_revoke: Any) -> None:
        self.calls.append(("subscribe", tuple(topics)))
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def poll(self, max_records: int, timeout: float) -> list[Any]:
        self.clock.advance(timeout)
        if not self.script:
            self.switch.stopping = True
            return []
        step = self.script.popleft()
        if callable(step):
            step()
            return []
        return list(step)

    def assign(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        self.calls.append(("assign", dict(offsets)))

    def unassign(self) -> None:
        self.calls.append(("unassign",))

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if self.troubles:
            raise self.troubles.popleft()
        return {partition: self.ends[partition] for partition in partitions}

    def seen_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.ends[partition] for partition in partitions if partition in self.ends}

    def at_end(self) -> set[TopicPartition]:
        return set()

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("pause", tuple(partitions)))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("resume", tuple(partitions)))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.calls.append(("seek", partition, offset))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        self.calls.append(("commit", dict(offsets)))
        return self.commits_succeed

    def close(self) -> None:
        self.calls.append(("close",))

    def made(self, what: str) -> list[Any]:
        return [call[1] for call in self.calls if call[0] == what]


@dataclass
class FakeProducer:
    """Keeps what was sent; acknowledges when told, or at once."""

    acknowledge_at_once: bool = True
    sent: list[Outgoing] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    failure: TidelockError | None = None

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        self._raise()
        self.sent.append(record)
        self.waiting.append(acknowledged)
        if self.acknowledge_at_once:
            self.acknowledge()

    def send_many(self, topic: str, batch: OutgoingBatch, acknowledged: Callable[[], None]) -> None:
        self._raise()
        self.sent.extend(batch)
        self.waiting.append(acknowledged)
        if self.acknowledge_at_once:
            self.acknowledge()

    def acknowledge(self) -> None:
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            one()

    def serve(self, timeout: float) -> None:
        self._raise()

    def flush(self, timeout: float) -> bool:
        self._raise()
        return not self.waiting

    def _raise(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeSwitch:
    """The worker's wishes, and what it was told."""

    clock: ManualClock
    is_paused: bool = False
    stopping: bool = False
    stops_at: float = float("inf")
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stored: list[tuple[Any, Any]] = field(default_factory=list)

    def is_stopping(self) -> bool:
        return self.stopping

    def wait(self, timeout: float) -> None:
        self.clock.advance(timeout)
        self.stopping = self.stopping or self.clock.monotonic() >= self.stops_at

    def tell(self, event: str, **details: Any) -> None:
        self.told.append((event, details))

    def store_offsets(self, offsets: Sequence[tuple[Any, Any]]) -> None:
        self.stored += [(dict(partition), dict(offset)) for partition, offset in offsets]

    def events(self, *without: str) -> list[str]:
        return [event for event, _ in self.told if event not in without]


class Noting(Reporter):
    """Keeps what is left out."""

    def __init__(self) -> None:
        super().__init__(ReportOptions("c", tolerant=True))
        self.skipped: list[Skipped] = []

    def report(self, skipped: Skipped) -> None:
        super().report(skipped)
        self.skipped.append(skipped)
