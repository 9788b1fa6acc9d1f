"""Reading records, by assigned offsets or in a group; commits are explicit.

A broker that goes away after the start is waited for, as every Kafka consumer does; `poll` raises once it has
been away for `patience` seconds. Blocking; one thread at a time, callbacks come inside `poll`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

from tidelock.client.errors import translated
from tidelock.client.incoming import Incoming
from tidelock.client.library import load, make, somebody_listens, translating
from tidelock.client.model import Message, TopicPartition
from tidelock.client.settings import ClientSettings, settings_of
from tidelock.errors import LocalProtocolError
from tidelock.protocol.error_codes import (
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    UnknownTopicOrPartition,
)
from tidelock.runtime import Clock, SystemClock

ANSWER_WITHIN = 10.0
ASK_AGAIN = 0.1
UNSETTLED = (CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator)
PATIENCE = 60.0
_NO_GROUP = "tidelock-reader"  # librdkafka wants a name; partitions assigned by hand join no group
_DEFAULTS = {
    "auto.offset.reset": "earliest",
    "check.crcs": "true",  # Java's default: what a disk has changed is not taken for what was sent
    "fetch.wait.max.ms": "100",
    "fetch.queue.backoff.ms": "20",  # librdkafka's own 1000 is a second of rest whenever its queue is full
    "topic.metadata.refresh.interval.ms": "5000",
}
_FORCED = {"enable.auto.commit": "false", "enable.auto.offset.store": "false", "enable.partition.eof": "true"}

Partitions = Sequence[TopicPartition]


class Consumer:
    """A Kafka consumer.

    Args:
        settings: client keys in any spelling, or a bootstrap address.
        group: the consumer group; needed for `subscribe`, `commit` and `committed`.
        name: client id, as broker logs show it.
        patience: seconds that the broker may be away before `poll` raises.
        clock: what they are measured with.

    Raises:
        BrokerUnreachable: nobody listens at the bootstrap address.
        ConfigError: a key or a value is wrong.
    """

    def __init__(
        self,
        settings: ClientSettings | Mapping[str, object] | str,
        *,
        group: str | None = None,
        name: str = "tidelock-consumer",
        patience: float = PATIENCE,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._library = load()
        self.settings = settings_of(settings)
        self.group = group or self.settings.properties.get("group.id")
        forced = {**_FORCED, "group.id": self.group or _NO_GROUP}
        properties: dict[str, Any] = dict(
            self.settings.for_librdkafka({"client.id": name, **_DEFAULTS}, forced)
        )
        properties["error_cb"] = self._note
        self._consumer = make(self._library.Consumer, self.settings, properties)
        self._patience = patience
        self._away_since: float | None = None
        self._is_subscribed = False
        self._known: set[TopicPartition] = set()
        self._incoming = Incoming(self.settings.bootstrap, self.group)

    @property
    def at_end(self) -> set[TopicPartition]:
        """Partitions whose end was reached with the last record read of them."""
        return self._incoming.at_end

    @property
    def trouble(self) -> str | None:
        """What librdkafka last complained of, None once records arrive again."""
        return self._incoming.trouble

    def assign(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Read these partitions from these offsets; None is where the group committed, or the beginning.

        Raises:
            UnknownTopicOrPartition: one does not exist; librdkafka alone would wait for it in silence.
        """
        self._check_known(offsets)
        stored = self._library.OFFSET_STORED if self.group else self._library.OFFSET_BEGINNING
        self._incoming.forget_all()
        self._is_subscribed = False
        wanted = [
            self._library.TopicPartition(*partition, stored if offset is None else offset)
            for partition, offset in offsets.items()
        ]
        with translating(self.settings.bootstrap):
            self._consumer.assign(wanted)

    def unassign(self) -> None:
        """Read nothing."""
        self._incoming.forget_all()
        self._consumer.unassign()

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callable[[Partitions], None] | None = None,
        on_revoke: Callable[[Partitions, bool], None] | None = None,
    ) -> None:
        """Join the group.

        Args:
            topics: names; one that begins with ^ is a pattern.
            on_assign: told what is now ours; may `assign` it at other offsets.
            on_revoke: told what is taken away, and whether it is lost already (a commit would be refused).
        """
        self._need_group()
        self._is_subscribed = True
        callbacks: dict[str, Any] = {"on_assign": lambda _, given: self._assigned(given, on_assign)}
        callbacks["on_revoke"] = lambda _, given: self._revoked(given, False, on_revoke)
        callbacks["on_lost"] = lambda _, given: self._revoked(given, True, on_revoke)
        with translating(f"group {self.group}"):
            self._consumer.subscribe(list(topics), **callbacks)

    def poll(self, max_records: int = 1000, timeout: float = 1.0) -> list[Message]:
        """Return up to `max_records` records, those that come within `timeout` seconds.

        Records that came before an error are returned, and the next call raises it. A damaged partition gives
        no more records, and is told again whenever no other has any, until it is assigned anew, revoked, or
        `seek` leads past the damage (Java: KafkaConsumer.poll).

        Raises:
            BrokerUnreachable: away for longer than `patience`.
            DamagedRecords: what comes next in a partition cannot be read.
            TidelockError: the consumer cannot go on; see tidelock.client.errors.
        """
        self._incoming.raise_untold()
        with translating(self.settings.bootstrap):
            messages = self._consumer.consume(max_records, timeout)
        records = self._incoming.sort(messages, is_subscribed=self._is_subscribed)
        if records:
            self._away_since = None
        elif self._away_since is not None and self._clock.monotonic() - self._away_since > self._patience:
            somebody_listens(self.settings.bootstrap)
            self._away_since = self._clock.monotonic()
        return records

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset of the first record that is kept."""
        return {partition: self._watermarks(partition)[0] for partition in partitions}

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset behind the last record."""
        return {partition: self._watermarks(partition)[1] for partition in partitions}

    def seen_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets behind the last records, as the last fetches saw them; asks nobody."""
        found = {}
        for partition in partitions:
            with translating(str(partition)):
                asked = self._library.TopicPartition(*partition)
                _, end = self._consumer.get_watermark_offsets(asked, cached=True)
            if end >= 0:
                found[partition] = end
        return found

    def partitions(self, topic: str) -> list[TopicPartition]:
        """Return a topic's partitions.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        with translating(f"topic {topic}"):
            found = self._consumer.list_topics(topic, timeout=ANSWER_WITHIN).topics[topic]
        if found.error is not None:
            raise translated(found.error, f"topic {topic}")
        return [TopicPartition(topic, number) for number in sorted(found.partitions)]

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit where the group would go on: the offset behind the last record done with.

        Raises:
            KafkaError: refused, e.g. IllegalGeneration or UnknownMemberId after the partitions were lost.
        """
        self._need_group()
        wanted = [self._library.TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        if not wanted:
            return
        with translating(f"group {self.group}"):
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        for one in done or ():
            if one.error is not None:
                raise translated(one.error, f"group {self.group}, {one.topic}-{one.partition}")

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return what the group has committed; None where nothing is.

        A cluster that is still settling who coordinates the group is asked again for `ANSWER_WITHIN` seconds.

        Raises:
            NotCoordinator, CoordinatorLoadInProgress, CoordinatorNotAvailable: it did not settle.
            TidelockError: see tidelock.client.errors.
        """
        self._need_group()
        wanted = [self._library.TopicPartition(*partition) for partition in partitions]
        deadline = self._clock.monotonic() + ANSWER_WITHIN
        while True:
            try:
                return self._committed(wanted)
            except UNSETTLED:
                if self._clock.monotonic() >= deadline:
                    raise
                time.sleep(ASK_AGAIN)

    def _committed(self, wanted: list[Any]) -> dict[TopicPartition, int | None]:
        with translating(f"group {self.group}"):
            found = self._consumer.committed(wanted, timeout=ANSWER_WITHIN)
        for one in found:
            if one.error is not None:
                raise translated(one.error, f"group {self.group}, {one.topic}-{one.partition}")
        return {
            TopicPartition(one.topic, one.partition): one.offset if one.offset >= 0 else None for one in found
        }

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at another offset."""
        self._incoming.forget([partition])
        with translating(str(partition)):
            self._consumer.seek(self._library.TopicPartition(*partition, offset))

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Get no records of these partitions."""
        self._consumer.pause([self._library.TopicPartition(*partition) for partition in partitions])

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Get records of these partitions again, from where they were paused."""
        self._consumer.resume([self._library.TopicPartition(*partition) for partition in partitions])

    def close(self) -> None:
        """Leave the group and the broker."""
        self._consumer.close()

    def _check_known(self, partitions: Iterable[TopicPartition]) -> None:
        missing = set(partitions) - self._known
        for topic in {one.topic for one in missing}:
            self._known.update(self.partitions(topic))
        for absent in sorted(missing - self._known):
            raise UnknownTopicOrPartition(
                f"topic {absent.topic!r} has no partition {absent.partition}", where=self.settings.bootstrap
            )

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        with translating(str(partition)):
            asked = self._library.TopicPartition(*partition)
            found = self._consumer.get_watermark_offsets(asked, timeout=ANSWER_WITHIN, cached=False)
        return cast("tuple[int, int]", found)

    def _assigned(self, given: Any, then: Callable[[Partitions], None] | None) -> None:
        partitions = [TopicPartition(one.topic, one.partition) for one in given]
        self._incoming.at_end.clear()
        self._incoming.forget(partitions)  # with a cooperative assignor the others go on, damaged or not
        if then is not None:
            then(partitions)

    def _revoked(self, given: Any, lost: bool, then: Callable[[Partitions, bool], None] | None) -> None:
        partitions = [TopicPartition(one.topic, one.partition) for one in given]
        self._incoming.forget(partitions)
        if then is not None:
            then(partitions, lost)

    def _note(self, error: Any) -> None:
        self._incoming.trouble = str(error.str())
        if error.code() == self._library.KafkaError._ALL_BROKERS_DOWN and self._away_since is None:
            self._away_since = self._clock.monotonic()

    def _need_group(self) -> None:
        if not self.group:
            raise LocalProtocolError("this consumer has no group", hint="Consumer(..., group=NAME)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
