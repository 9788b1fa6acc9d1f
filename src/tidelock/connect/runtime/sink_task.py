"""Runs one sink task: poll, convert, put, commit. A blocking loop in the task's own process.

The consumer belongs to the group connect-<name>, so the tasks of a connector share the partitions; where to
begin in each comes from the task's `open`, if its target keeps offsets, else from the group. Offsets are
committed only after `flush`, before partitions are given away, and never beyond what `put` took. Rules are in
batching.py and progress.py; the consumer, the clock and the worker's wire are arguments.

Source: Kafka `org.apache.kafka.connect.runtime.WorkerSinkTask`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tidelock.connect.api import (
    ConnectError,
    DataError,
    RecordBatch,
    RetriableError,
    SinkTask,
    SinkTaskContext,
    TopicPartition,
)
from tidelock.connect.runtime.batching import Batcher, by_partition, name_of
from tidelock.connect.runtime.calm import SIGN_OF_LIFE, Rest, Teller
from tidelock.connect.runtime.errors import trace_of
from tidelock.connect.runtime.failures import Skipped, Stage, failure_of, is_of_the_record
from tidelock.connect.runtime.kafka import TaskConsumer
from tidelock.connect.runtime.message import Message
from tidelock.connect.runtime.progress import CommitClock, SinkProgress, lag_of
from tidelock.connect.runtime.rates import Meter
from tidelock.errors import TidelockError, UnreachableError
from tidelock.protocol.error_codes import KafkaError
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

LINGER = 0.05
"""Seconds a poll waits for its batch to fill."""
MAX_RECORDS = 5000  # of one poll; far above Java's 500, so that batches fill
FIRST_RETRY, RETRY_FACTOR = 0.1, 2.0
LETTERS_WAIT = 0.5
"""Seconds that one round waits for dead letters; then it goes round, so that the group hears of us."""


class Switch(Protocol):
    """What the loop sees of the worker."""

    @property
    def is_paused(self) -> bool:
        """Whether to move nothing."""

    def is_stopping(self) -> bool:
        """Whether to end."""

    def wait(self, timeout: float) -> None:
        """Wait; returns early when it is time to end."""

    def tell(self, event: str, **details: object) -> None:
        """Report an event."""


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How a sink task is run; seconds.

    Attributes:
        topics: names, or one pattern that begins with ^.
        max_records: of one poll.
        commit_interval: between commits while records flow.
        retry_delay_max: longest pause before a batch is tried again.
        sign_of_life: see calm.sign_of_life.
    """

    topics: tuple[str, ...]
    max_records: int = MAX_RECORDS
    commit_interval: float = 10.0
    retry_delay_max: float = 60.0
    sign_of_life: float = SIGN_OF_LIFE


class SinkRunner:
    """The loop of one sink task.

    Args:
        task: started by `run`.
        consumer: of this task alone.
        batcher: with the task's converters, transforms and reporter of failures.
        options: see SinkOptions.
        switch: the worker's wishes.
        clock: monotonic time.
    """

    def __init__(
        self,
        task: SinkTask,
        consumer: TaskConsumer,
        batcher: Batcher,
        *,
        options: SinkOptions,
        switch: Switch,
        clock: Clock,
    ) -> None:
        self._reporter = batcher.reporter
        self._messages: dict[tuple[TopicPartition, int], Message] = {}
        self._task = task
        self._consumer = consumer
        self._batcher = batcher
        self._options = options
        self._switch = switch
        self._clock = clock
        self._context = SinkTaskContext("")
        self._progress = SinkProgress()
        self._commits = CommitClock(options.commit_interval, clock.monotonic())
        self._assigned: list[TopicPartition] = []
        self._pending: deque[RecordBatch] = deque()
        self._ends: dict[TopicPartition, int] = {}
        self._retry_at: float | None = None
        self._retries = 0
        self._held: set[TopicPartition] = set()
        self._topics: set[str] = set()
        self._rest = Rest(LINGER, clock.monotonic())
        self._teller = Teller(options.sign_of_life, clock.monotonic())
        self._meter = Meter()
        self._newest: int | None = None  # timestamp of the newest record that was delivered
        self._was_paused = switch.is_paused
        self._is_over = False

    def run(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """Start the task, move records until the worker wants it to stop, leave everything committed.

        Raises:
            Exception: whatever the task raised; it is stopped then, and what it took is not committed.
        """
        self._context = context
        with contextlib.closing(self._consumer):
            try:
                if not self._has_started(context, props):
                    return
                self._consumer.subscribe(self._options.topics, self._on_assign, self._on_revoke)
                self._tell_state()
                while not self._switch.is_stopping():
                    self._step()
                self._finish()
            finally:
                self._is_over = True
                self._task.stop()

    def _has_started(self, context: SinkTaskContext, props: Mapping[str, str]) -> bool:
        """Start the task; False when it was told to end while its target was away."""
        try:
            self._patiently(lambda: self._task.start(context, props))
        except RetriableError:
            if not self._switch.is_stopping():
                raise
            return False
        return True

    def _step(self) -> None:
        self._follow_target_state()
        self._hold()
        messages = self._poll()
        if messages:
            self._rest.since = self._clock.monotonic()
            self._take(messages)
        self._deliver()
        self._commit_if_due(idle=not messages and not self._pending)
        self._tell_progress()

    def _poll(self) -> Sequence[Message]:
        """Return what fills a batch within its time; at rest, the first that comes."""
        now = self._clock.monotonic()
        wait = self._rest.wait(now)
        if self._retry_at is not None:
            return self._consumer.poll(self._options.max_records, max(0.0, min(LINGER, self._retry_at - now)))
        return self._consumer.poll(self._options.max_records if wait <= LINGER else 1, wait)

    def _follow_target_state(self) -> None:
        if self._switch.is_paused != self._was_paused:
            self._rest.since = self._clock.monotonic()
            self._was_paused = self._switch.is_paused
            self._tell_state()

    def _tell_state(self) -> None:
        self._switch.tell("paused" if self._was_paused else "running")

    def _hold(self) -> None:
        """Pause and resume: all while paused or waiting to try again, else what the task named."""
        everything = self._was_paused or self._retry_at is not None
        wanted = set(self._assigned) if everything else self._context.paused & set(self._assigned)
        if to_pause := sorted(wanted - self._held):
            self._consumer.pause(to_pause)
        if to_resume := sorted((self._held - wanted) & set(self._assigned)):
            self._consumer.resume(to_resume)
        self._held = wanted

    def _take(self, messages: Sequence[Message]) -> None:
        if self._reporter.keeps_messages:
            self._messages.update({(_partition(one), one.offset()): one for one in messages})
        groups = by_partition(messages)
        self._pending.extend(self._batcher.batches_of(groups))
        self._ends.update({partition: group[-1].offset() + 1 for partition, group in groups.items()})
        for topic in {partition.topic for partition in groups} - self._topics:
            self._topics.add(topic)
            self._switch.tell("topic", topic=topic)

    def _deliver(self) -> None:
        if self._retry_at is not None and self._clock.monotonic() < self._retry_at:
            return
        self._retry_at = None
        while self._pending:
            if not self._reporter.flush(LETTERS_WAIT):
                self._retry_at = self._clock.monotonic()
                return
            try:
                self._task.put(self._pending[0])
            except RetriableError as error:
                self._retry_later(error)
                return
            except Exception as error:  # whose fault it is decides
                if not (self._reporter.options.tolerant and is_of_the_record(error)):
                    raise
                self._part(error)
                continue
            if self._retries:
                self._retries = 0
                self._tell_state()
            self._delivered(self._pending.popleft())
            self._seek()
        self._progress.read_to(self._ends)
        self._ends = {}
        self._messages = {}

    def _delivered(self, batch: RecordBatch) -> None:
        self._progress.delivered(batch)
        if batch.timestamps:
            self._newest = max(batch.timestamps[-1] or 0, self._newest or 0) or None

    def _part(self, error: Exception) -> None:
        """Take a batch apart that holds a record which the task refuses, until that one is alone; report it.

        An outage, or anything else that is not a record's fault, never gets here.
        """
        batch = self._pending.popleft()
        if len(batch) == 1:
            partition, offset = batch.topic_partition, batch.offsets[0]
            failed = failure_of(Stage.TASK_PUT, name_of(self._task), error)
            self._reporter.report(Skipped(partition, offset, failed, self._messages.get((partition, offset))))
            self._progress.delivered(batch)
            return
        index = error.index if isinstance(error, DataError) else None
        if index is not None and index < len(batch):
            cuts = [0, index, index + 1, len(batch)]
        else:
            cuts = [0, len(batch) // 2, len(batch)]
        parts = [batch.take(range(start, end)) for start, end in itertools.pairwise(cuts) if start < end]
        self._pending.extendleft(reversed(parts))

    def _retry_later(self, error: RetriableError) -> None:
        delay = self._delay(self._retries)
        self._retries += 1
        self._retry_at = self._clock.monotonic() + delay
        self._tell_trouble(delay, error)

    def _seek(self) -> None:
        seeks, self._context.seeks = self._context.seeks, {}
        for partition, offset in seeks.items():
            if partition not in self._assigned:
                raise ConnectError(f"the task seeks in {partition}, which it does not have")
            self._pending = deque(batch for batch in self._pending if batch.topic_partition != partition)
            self._ends.pop(partition, None)
            self._progress.positions[partition] = offset
            self._consumer.seek(partition, offset)

    def _commit_if_due(self, *, idle: bool) -> None:
        requested, self._context.commit_requested = self._context.commit_requested, False
        if requested or self._commits.is_due(self._clock.monotonic(), idle=idle):
            self._commit(self._progress.to_commit())

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if not offsets or not self._reporter.flush(LETTERS_WAIT):
            return
        self._task.flush(offsets)
        if self._consumer.commit(offsets):
            self._progress.commit_done(offsets)
        self._commits.last = self._clock.monotonic()

    def _on_assign(self, partitions: Sequence[TopicPartition]) -> None:
        try:
            starts = self._patiently(lambda: self._opened(partitions))
        except TidelockError as error:
            if not (error.retriable and self._switch.is_stopping()):
                raise
            self._consumer.unassign()  # told to end while it waited: nothing was taken
            return
        self._assigned = list(partitions)
        self._context.assignment = frozenset(partitions)
        self._held = set()
        self._consumer.assign({partition: starts.get(partition) for partition in partitions})
        self._hold()
        log.info("connector %s: partitions %s", self._context.connector, partitions)

    def _opened(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        starts = (self._task.open(partitions) if partitions else None) or {}
        self._check_starts(starts)
        return starts

    def _patiently(self, action: Callable[[], T]) -> T:
        """Do what needs the broker, or a target that is away for a moment, as often as it takes.

        A rebalance may come just before the broker goes: that must not end the task, no more than a broker
        that goes during a poll does.
        """
        for retries in itertools.count():
            try:
                made = action()
            except (UnreachableError, RetriableError, KafkaError) as error:
                if not error.retriable or self._switch.is_stopping():
                    raise
                delay = self._delay(retries)
                self._tell_trouble(delay, error)
                self._switch.wait(delay)
            else:
                if retries:
                    self._tell_state()
                return made
        raise AssertionError("unreachable")

    def _delay(self, retries: int) -> float:
        """Return what the task asked for, or a growing pause."""
        given, self._context.retry_delay = self._context.retry_delay, None
        grown = min(FIRST_RETRY * RETRY_FACTOR ** min(retries, 30), self._options.retry_delay_max)
        return grown if given is None else given

    def _tell_trouble(self, delay: float, error: TidelockError) -> None:
        """Have the status say why nothing moves, until it does again."""
        log.warning("connector %s: again in %.1f s: %s", self._context.connector, delay, error.what)
        self._switch.tell("waiting", trace=trace_of(error))

    def _check_starts(self, starts: Mapping[TopicPartition, int]) -> None:
        """Refuse to read on behind the end of a topic: made anew, its records would be left out."""
        if not starts:
            return
        ends = self._consumer.end_offsets(sorted(starts))
        for partition, start in sorted(starts.items()):
            if start > ends[partition]:
                raise ConnectError(
                    f"the target has {partition} up to {start}, but the topic ends at {ends[partition]}",
                    where=f"connector {self._context.connector}",
                    hint="the topic was deleted and made anew: give the connector another name, "
                    "or remove its offsets from the target",
                )

    def _on_revoke(self, partitions: Sequence[TopicPartition], lost: bool) -> None:
        if self._is_over:  # the consumer is closing; the task was stopped before
            self._consumer.unassign()
            return
        gone = set(partitions)
        self._pending = deque(batch for batch in self._pending if batch.topic_partition not in gone)
        self._ends = {one: end for one, end in self._ends.items() if one not in gone}
        if not self._pending:
            self._retry_at = None
        if not lost:
            self._commit(self._progress.to_commit(gone))
        self._task.close(partitions)
        self._progress.forget(gone)
        self._assigned = [one for one in self._assigned if one not in gone]
        self._context.assignment = frozenset(self._assigned)
        self._context.paused -= gone
        self._held -= gone
        self._consumer.unassign()

    def _finish(self) -> None:
        self._commit(self._progress.to_commit())
        if self._assigned:
            self._task.close(self._assigned)
            self._assigned = []

    def _tell_progress(self) -> None:
        now = self._clock.monotonic()
        if self._teller.is_due(now):
            progress = {"records": self._progress.records, **self._speed(now)}
            if self._teller.is_news(now, progress):
                self._switch.tell("progress", **progress)

    def _speed(self, now: float) -> dict[str, object]:
        """Return what `/connectors/{name}/progress` shows of the task."""
        ends = self._consumer.seen_ends(self._assigned)
        lag, partitions = lag_of(self._progress.positions, ends, self._consumer.at_end())
        speed = self._meter.sample(now, self._progress.records, lag)
        age = None if self._newest is None else max(0.0, self._clock.wall() - self._newest / 1000)
        return {
            "rate": round(speed.rate, 1),
            "lag_records": lag,
            "lag_seconds": 0.0 if lag == 0 else age and round(age, 1),
            "eta_seconds": speed.eta and round(speed.eta, 1),
            "partitions": partitions,
        }


def _partition(message: Message) -> TopicPartition:
    return TopicPartition(message.topic(), message.partition())
