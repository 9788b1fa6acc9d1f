"""A broker's node over memory, and a client that speaks to it without a socket."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from tidelock.broker.changes import at_once
from tidelock.broker.instant import Instant
from tidelock.broker.log import MemoryFiles, keep_everything
from tidelock.broker.node import Node
from tidelock.broker.purgatory import Parked
from tidelock.broker.settings import BrokerSettings
from tidelock.protocol.apis import response_class
from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidelock.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidelock.protocol.primitives import Message
from tidelock.protocol.records import Record, build_batch

M = TypeVar("M", bound=Message)
START_MS = 1_700_000_000_000


class MemoryBroker:
    """A node in virtual time; `files` survive `restart`."""

    def __init__(self, **settings: object) -> None:
        given = {name.replace("_", "."): value for name, value in settings.items()}
        self.settings = BrokerSettings.parse(given)
        self.files = MemoryFiles()
        self.seconds = 0.0
        self._random = random.Random(7)
        self._correlation = 0
        self._replies: dict[Parked, tuple[Message, int]] = {}
        self.open()

    def open(self) -> None:
        self.node = Node.open(self.settings, self.files, self.now(), self._random.randbytes)
        self.state = self.node.state

    def now(self) -> Instant:
        return Instant(self.seconds, START_MS + round(self.seconds * 1000))

    def restart(self, *, clean: bool = True) -> None:
        if clean:
            assert self.node.close() == []
        else:
            self.files.crash()
        self.open()

    def kill(self) -> None:
        """Die and start again; unlike a power loss, that leaves everything that was written."""
        self.files.crash(keep_everything)
        self.open()

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every moment at which the node wants to act."""
        end = self.seconds + seconds
        while (wake := self.node.wake_at()) <= end:
            self.seconds = max(self.seconds, wake)
            self.node.tick(self.now())
        self.seconds = end

    def send(self, message: Message, version: int | None = None) -> Any:
        """Ask; returns the response, None, or what is parked."""
        version = message.MAX_VERSION if version is None else version
        self._correlation += 1
        frame = encode_request(message, version, self._correlation, "client")
        reply = self.node.handle(memoryview(frame)[4:], "/127.0.0.1", self.now())
        while (job := self.node.changes.begin()) is not None:
            job.run()
            self.node.end_change(job)
        if reply is None:
            return None
        if isinstance(reply, Parked):
            self._replies[reply] = (message, version)
            return self._ended(reply) or reply
        return self._decoded(reply, message, version)

    def _ended(self, parked: Parked) -> Any:
        """The answer of a change that has ended already."""
        for position, (one, chunks) in enumerate(self.state.finished):
            if one is parked:
                del self.state.finished[position]
                return self._decoded(chunks, *self._replies.pop(parked))
        return None

    def _decoded(self, chunks: Any, message: Message, version: int) -> Any:
        raw = b"".join(chunks)
        assert int.from_bytes(raw[:4], "big") == len(raw) - 4
        _, pos = read_response_header(raw, message.API_KEY, version, 4)
        response, end = response_class(message.API_KEY).decode(raw, version, pos)
        assert end == len(raw)
        return response

    def finished(self) -> dict[Parked, Any]:
        """The parked requests that have been answered since the last call."""
        found = {}
        for parked, chunks in self.node.take_finished():
            message, version = self._replies.pop(parked)
            found[parked] = self._decoded(chunks, message, version) if chunks else None
        return found

    # -- data ---------------------------------------------------------------------------------------

    def produce(
        self, topic: str, *values: bytes, partition: int = 0, version: int = 12, acks: int = -1
    ) -> Any:
        batch = build_batch([Record(i, START_MS, None, value) for i, value in enumerate(values)])
        return self.send(produce_request(topic, batch, partition=partition, acks=acks), version)

    def create(self, topic: str, partitions: int = 1, **configs: str) -> None:
        overrides = {name.replace("_", "."): value for name, value in configs.items()}
        self.state.check_new_topic(topic)
        at_once(self.state.create_topic(topic, partitions, overrides, self.now()))

    def delete(self, topic: str) -> None:
        at_once(self.state.delete_topic(topic, self.now()))


def produce_request(
    topic: str, batch: bytes | bytearray, *, partition: int = 0, acks: int = -1
) -> ProduceRequest:
    data = PartitionProduceData(index=partition, records=batch)
    return ProduceRequest(
        transactional_id=None,
        acks=acks,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name=topic, partition_data=[data])],
    )


def fetch_request(topic: str, offset: int, *, partition: int = 0, **fields: Any) -> FetchRequest:
    epoch = fields.pop("current_leader_epoch", -1)
    size = fields.pop("partition_max_bytes", 1 << 20)
    wanted = FetchPartition(
        partition=partition, current_leader_epoch=epoch, fetch_offset=offset, partition_max_bytes=size
    )
    given = {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 20, **fields}
    return FetchRequest(topics=[FetchTopic(topic=topic, partitions=[wanted])], **given)
