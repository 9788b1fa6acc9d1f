"""Source offsets in a Kafka topic, for tasks that write them in the transaction of their records.

    ["<connector>",{partition}]   {offset}   null: forgotten

`OffsetTopic` reads it to its end. The end is the topic's, not the last stable offset: transactions that are
open there are waited for, because an offset of ours may stand behind them.

Source: KIP-618; Kafka `storage.{KafkaOffsetBackingStore, OffsetStorageWriter}`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tidelock.client import Consumer
from tidelock.connect.runtime.stores import SourceOffset, partition_key

log = logging.getLogger(__name__)

Keyed = tuple[bytes, bytes | None]
POLL = 0.2


class TopicOffsets:
    """What the topic says: found by meaning, written again under the key that is there. Pure."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[bytes, dict[str, Any] | None]] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record; what cannot be read is left out."""
        try:
            connector, partition = json.loads(key or b"")
            offset = None if value is None else json.loads(value)
            if not (isinstance(connector, str) and isinstance(partition, dict)):
                raise ValueError("the key is not [connector, partition]")
            if not isinstance(offset, dict | None):
                raise ValueError("the value is no object")
        except (ValueError, TypeError) as error:
            log.error("offset topic: the record %r is left out: %s", key, error)
            return
        assert key is not None
        self._known[connector, partition_key(partition)] = key, offset

    def read(self, connector: str, partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Return the offset of each partition, in their order."""
        found = [self._known.get((connector, partition_key(partition))) for partition in partitions]
        return [None if one is None else one[1] for one in found]

    def records(self, connector: str, offsets: Iterable[SourceOffset]) -> list[Keyed]:
        """Return the records that store offsets; None forgets a partition's."""
        made: list[Keyed] = []
        for partition, offset in offsets:
            known = self._known.get((connector, partition_key(partition)))
            key = known[0] if known is not None else _json([connector, dict(partition)])
            made.append((key, None if offset is None else _json(dict(offset))))
        return made


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def read_to_end(
    make: Callable[[str], Consumer],
    topic: str,
    offsets: TopicOffsets,
    is_stopping: Callable[[], bool],
    wait: Callable[[], bool],
) -> None:
    """Read a topic from its beginning to the end that it has now, or until it is time to stop.

    Args:
        make: returns a consumer of an isolation level.
        topic: it is there.
        offsets: takes the records.
        is_stopping: whether to give up.
        wait: waits a moment for somebody else's transaction; False gives up.
    """
    with make("read_uncommitted") as everything:
        partitions = everything.partitions(topic)
        ends = everything.end_offsets(partitions)
    with make("read_committed") as reader:
        while any(reader.end_offsets([one])[one] < ends[one] for one in partitions):
            if not wait():
                return
        begins = reader.begin_offsets(partitions)
        left = {one for one in partitions if begins[one] < ends[one]}
        reader.assign({one: begins[one] for one in left})
        while left - reader.at_end:
            for message in reader.poll(1000, POLL):
                offsets.apply(message.key(), message.value())
            if is_stopping():
                return
