"""Sending records: idempotent, acks=all, keys placed as the Java client places them.

The first record that could not be delivered is raised by the next call, and by `flush` at the latest: a
`flush` that returns means that the broker has every record. Blocking; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from tidelock.client.errors import BrokerUnreachable, translated
from tidelock.client.library import load, make
from tidelock.client.model import Message, Outgoing, OutgoingBatch
from tidelock.client.settings import ClientSettings, settings_of
from tidelock.errors import TidelockError
from tidelock.runtime import Clock, SystemClock

FLUSH_TIMEOUT = 60.0
MAX_BLOCK = 60.0  # seconds to wait for room in the queue; Java's max.block.ms
MANY_BYTES = 64 << 20
"""Bytes under way beyond which batches go record by record: librdkafka's queue refuses by size as well, and
a small record must not overtake a large one that was refused."""
_WAIT = 0.1
_DEFAULTS = {
    "enable.idempotence": "true",
    "acks": "all",
    "partitioner": "murmur2_random",  # Java's; librdkafka's own is CRC32
    "linger.ms": "5",
    "delivery.timeout.ms": "120000",
}
_ANY = -1


class _Going:
    """How many records of a batch nobody has reported yet, and how many librdkafka has not taken yet."""

    __slots__ = ("failed", "left", "unqueued")

    def __init__(self, count: int) -> None:
        self.left = self.unqueued = count
        self.failed = False


class Producer:
    """A Kafka producer.

    Args:
        settings: client keys in any spelling, or a bootstrap address.
        name: client id, as broker logs show it.
        clock: for the wait for room in the queue.

    Raises:
        BrokerUnreachable: nobody listens at the bootstrap address.
        ConfigError: a key or a value is wrong.
    """

    def __init__(
        self,
        settings: ClientSettings | Mapping[str, object] | str,
        *,
        name: str = "tidelock-producer",
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.settings = settings_of(settings)
        given = self.settings.properties
        defaults = {name: value for name, value in _DEFAULTS.items() if not _spelled(name, given)}
        properties: dict[str, Any] = dict(self.settings.for_librdkafka({"client.id": name, **defaults}, {}))
        properties["error_cb"] = self._note
        self._library = load()
        self._producer = make(self._library.Producer, self.settings, properties)
        largest = int(properties.get("queue.buffering.max.kbytes", 1 << 20)) << 10
        self._many_bytes = min(MANY_BYTES, largest // 2)
        self.bytes_under_way = 0
        """Keys and values of `send_many` that are not settled yet; a batch leaves with its last record."""
        self._failure: TidelockError | None = None
        self.trouble: str | None = None
        """librdkafka's last complaint about the connection, None once records arrive again."""
        self.is_patient: Callable[[], bool] = lambda: False
        """Asked after MAX_BLOCK seconds without room in the queue; True waits on."""

    def send(
        self, topic: str, record: Outgoing, on_delivered: Callable[[Message], None] | None = None
    ) -> None:
        """Hand a record over; waits while the queue is full. Delivered when `flush` has returned.

        Args:
            topic: created by the broker where it may.
            record: what to send.
            on_delivered: called from this class's methods once the broker has the record.

        Raises:
            TidelockError: this or an earlier record cannot be delivered; see tidelock.client.errors.
        """
        report = self._report if on_delivered is None else self._reporting(on_delivered)
        self._put(topic, record, report)

    def send_many(
        self, topic: str, batch: OutgoingBatch, on_delivered: Callable[[], None] | None = None
    ) -> None:
        """Hand the records of a batch over, in order, at a fraction of what `send` costs; waits as `send`.

        Args:
            topic: see `send`.
            batch: one without headers and timestamps is fastest.
            on_delivered: called once, from this class's methods, when the broker has every record; of a
                batch without records at once.

        Raises:
            TidelockError: see `send`; records before and after the one in question may have gone.
        """
        if not len(batch):
            self._raise_failure()
            if on_delivered is not None:
                on_delivered()
            return
        going = _Going(len(batch))
        size = batch.size_bytes()
        self.bytes_under_way += size

        def report(error: Any, message: Any) -> None:
            going.left -= 1
            if error is not None:
                going.failed = True
                self._report(error, message)
            if not going.left:
                self._settled(size, going, on_delivered)

        try:
            self._put_all(topic, batch, report, going)
        except BaseException:
            going.failed = True
            going.left -= going.unqueued  # nobody will report those
            if not going.left:
                self._settled(size, going, on_delivered)
            raise

    def _settled(self, size: int, going: _Going, on_delivered: Callable[[], None] | None) -> None:
        self.bytes_under_way -= size
        if not going.failed:
            self.trouble = None
            if on_delivered is not None:
                on_delivered()

    def _put_all(
        self, topic: str, batch: OutgoingBatch, report: Callable[[Any, Any], None], going: _Going
    ) -> None:
        is_plain = batch.headers is None and batch.timestamps is None
        if is_plain and self.bytes_under_way <= self._many_bytes:
            self._put_many(topic, batch, report, going)
            return
        for record in batch:
            self._put(topic, record, report)
            going.unqueued -= 1

    def _put(self, topic: str, record: Outgoing, report: Callable[[Any, Any], None]) -> None:
        extra: dict[str, Any] = {} if record.timestamp is None else {"timestamp": record.timestamp}
        if record.headers:
            extra["headers"] = list(record.headers)
        partition = _ANY if record.partition is None else record.partition
        deadline = 0.0
        while True:
            self._raise_failure()
            try:
                self._producer.produce(topic, record.value, record.key, partition, report, **extra)
                return
            except BufferError:
                deadline = deadline or self._clock.monotonic() + MAX_BLOCK
                self._wait_for_room(topic, deadline)
            except self._library.KafkaException as error:
                raise translated(error.args[0], f"topic {topic}") from None

    def _put_many(
        self, topic: str, batch: OutgoingBatch, report: Callable[[Any, Any], None], going: _Going
    ) -> None:
        partition = _ANY if batch.partition is None else batch.partition
        waiting: list[dict[str, Any]] = (
            [{"value": value} for value in batch.values]
            if batch.keys is None
            else [{"key": key, "value": value} for key, value in zip(batch.keys, batch.values, strict=True)]
        )
        deadline = 0.0
        while waiting:
            self._raise_failure()
            queued = self._producer.produce_batch(topic, waiting, partition, report)
            going.unqueued -= queued
            waiting = self._refused(topic, waiting, queued)
            if waiting:
                deadline = deadline or self._clock.monotonic() + MAX_BLOCK
                self._wait_for_room(topic, deadline)

    def _refused(self, topic: str, given: list[dict[str, Any]], queued: int) -> list[dict[str, Any]]:
        """Return the records at the end for which there was no room; whatever else was refused is raised."""
        refused = given[queued:]
        if not refused:
            return refused
        errors = [one.pop("_error", None) for one in given]
        full = self._library.KafkaError._QUEUE_FULL
        for place, error in enumerate(errors):
            if error is not None and (place < queued or error.code() != full):
                raise translated(error, f"topic {topic}")
        return refused

    def _wait_for_room(self, topic: str, deadline: float) -> None:
        self._producer.poll(_WAIT)
        if self._clock.monotonic() > deadline and not self.is_patient():
            why = self.trouble or "the broker is slow"
            raise BrokerUnreachable(
                f"no room for another record in {MAX_BLOCK:.0f} s: {why}", where=f"topic {topic}"
            )

    def send_batch(self, topic: str, records: Iterable[Outgoing]) -> int:
        """Hand records over, in order; returns how many. Raises as `send`."""
        count = 0
        for record in records:
            self.send(topic, record)
            count += 1
        self.serve(0)
        return count

    def serve(self, timeout: float = 0.0) -> None:
        """Take acknowledgements in for up to `timeout` seconds. Raises as `send`."""
        self._producer.poll(timeout)
        self._raise_failure()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Return when the broker has every record.

        Raises:
            BrokerUnreachable: not in `timeout` seconds; the records are still on their way.
            TidelockError: the first record that could not be delivered.
        """
        left: int = self._producer.flush(timeout)
        self._raise_failure()
        if left:
            raise BrokerUnreachable(
                f"{left} records are not acknowledged after {timeout:.0f} s: {self.trouble or 'no answer'}",
                where=self.settings.bootstrap,
            )

    def abandon(self) -> None:
        """Forget what is queued and on its way; it may or may not arrive."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)
        self._producer.poll(0)
        self._failure = None

    def _report(self, error: Any, message: Any) -> None:
        if error is None:
            self.trouble = None
        elif self._failure is None:
            self._failure = translated(error, f"topic {message.topic()}")

    def _reporting(self, on_delivered: Callable[[Message], None]) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            self._report(error, message)
            if error is None:
                on_delivered(message)

        return report

    def _note(self, error: Any) -> None:
        self.trouble = str(error.str())
        if error.fatal() and self._failure is None:
            self._failure = translated(error, self.settings.bootstrap)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        else:
            self.abandon()


_ALIASES = {
    "acks": ("request.required.acks",),
    "linger.ms": ("queue.buffering.max.ms",),
    "delivery.timeout.ms": ("message.timeout.ms",),
}


def _spelled(name: str, given: Mapping[str, str]) -> bool:
    """Whether a default is given under another of librdkafka's names for it."""
    return any(alias in given for alias in _ALIASES.get(name, ()))
