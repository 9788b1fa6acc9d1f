"""Reads a topic of source offsets to its end, for tasks that write them in the transaction of their records.

The end is the topic's, not the last stable offset: transactions that are open there are waited for, because
an offset of ours may stand behind them.

Source: KIP-618; Kafka `storage.KafkaOffsetBackingStore`.
"""

from __future__ import annotations

from collections.abc import Callable

from tidelock.client import Consumer
from tidelock.connect.runtime.offset_state import OffsetState

POLL = 0.2


def read_to_end(
    make: Callable[[str], Consumer],
    topic: str,
    offsets: OffsetState,
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
