"""What one poll of librdkafka brought, sorted: records, ends of partitions, and errors that end the reading.

Good records are handed out first, as Java does it: an error that came behind some waits for the next poll.
A partition with a damaged batch gives nothing more until its reader goes elsewhere: librdkafka would skip a
batch whose checksum is wrong and go on with the next one, and ask for ever for one that the broker cannot
read. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tidelock.client.errors import DamagedRecords, translated
from tidelock.client.model import TopicPartition
from tidelock.errors import TidelockError

# Everything else mends itself: a broker comes back, a subscribed topic is created, a group is joined again.
_FINAL = frozenset(
    (
        "TOPIC_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "_AUTO_OFFSET_RESET",
        "_AUTHENTICATION",
        "_SSL",
        "UNSUPPORTED_VERSION",
        "FENCED_INSTANCE_ID",
        "INVALID_GROUP_ID",
    )
)
_DAMAGED = frozenset(("INVALID_MSG", "_BAD_MSG", "_BAD_COMPRESSION"))
_UNKNOWN = frozenset(("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"))


class Incoming:
    """What a consumer remembers from one poll to the next.

    Args:
        bootstrap: named in errors that are no topic's.
        group: named in hints.
    """

    def __init__(self, bootstrap: str, group: str | None) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._damaged: dict[TopicPartition, TidelockError] = {}
        self._untold: dict[TopicPartition, TidelockError] = {}
        self.at_end: set[TopicPartition] = set()
        self.trouble: str | None = None

    def raise_untold(self) -> None:
        """Raise what came behind the records that the last poll returned.

        Raises:
            TidelockError: each once; a damaged partition's again by every `sort` that finds no record.
        """
        if self._untold:
            raise self._untold.pop(next(iter(self._untold)))

    def sort(self, messages: Sequence[Any], *, is_subscribed: bool) -> list[Any]:
        """Return the records among what librdkafka gave.

        Args:
            messages: confluent_kafka's, in their order.
            is_subscribed: an unknown topic may still be created, and is no error.

        Raises:
            DamagedRecords: there is no record, and a partition is damaged.
            TidelockError: there is no record, and no going on.
        """
        records = [message for message in messages if message.error() is None]
        if self._damaged or len(records) < len(messages):
            messages = [message for message in messages if self._counts(message, is_subscribed)]
            records = [message for message in messages if message.error() is None]
        if records:
            self.trouble = None
            if self.at_end:
                self.at_end -= {_place(record) for record in records}
                self.at_end |= _ends_among(messages)
            return records
        self.raise_untold()
        for error in self._damaged.values():
            raise error.with_traceback(None)
        return records

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Take these partitions for sound, unread ones: they are read elsewhere now, or not at all."""
        for partition in partitions:
            self.at_end.discard(partition)
            self._damaged.pop(partition, None)
            self._untold.pop(partition, None)

    def forget_all(self) -> None:
        """Take every partition for a sound, unread one; what is no topic's is still told."""
        self.at_end.clear()
        self._damaged.clear()
        self._untold = {place: error for place, error in self._untold.items() if not place.topic}

    def _counts(self, message: Any, is_subscribed: bool) -> bool:
        """Whether it is a record or an end of a sound partition; notes what else it is."""
        place, error = _place(message), message.error()
        if place in self._damaged:
            return False
        if error is None:
            return True
        name = error.name()
        if name == "_PARTITION_EOF":
            self.at_end.add(place)
            return True
        if name in _DAMAGED:
            self._damaged[place] = self._untold[place] = DamagedRecords(
                f"the records from offset {message.offset()} on are damaged: {error.str()}",
                where=str(place),
                hint="restore them on the broker, or move the stopped group past them: "
                f"kafka-consumer-groups --group {self._group or 'GROUP'} --reset-offsets"
                f" --topic {place.topic}:{place.partition} --to-offset BEHIND_THEM --execute",
            )
        elif error.fatal() or name in _FINAL or (name in _UNKNOWN and not is_subscribed):
            where = f"topic {place.topic}" if place.topic else self._bootstrap
            self._untold.setdefault(place, translated(error, where))
        else:
            self.trouble = error.str()
        return False


def _place(message: Any) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition())


def _ends_among(messages: Iterable[Any]) -> set[TopicPartition]:
    """Partitions whose end came behind their last record in this batch."""
    last = {_place(message): message.error() is not None for message in messages}
    return {partition for partition, ended in last.items() if ended}
