"""Metadata replies that are given again: with 1,000 partitions, making one costs as much as 200 appends.

Every client asks the same again and again, and the answer changes only with the cluster: a reply holds until
the next change of the metadata image, or until one of its partitions goes offline. Kept by version and by
the request's very bytes, so that one which is known need not even be decoded. Replies with an error in them
are not kept: asked again, the broker may create the topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from tidelock.broker.log import Partition
from tidelock.broker.state import BrokerState, Chunks
from tidelock.protocol.messages.metadata import MetadataResponse

# With more of either everything is forgotten and begins anew.
MOST_REPLIES, MOST_BYTES = 64, 4 << 20
CORRELATION_ID_AT = 4

_pack_int = Struct(">i").pack_into


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response frame, and what it depends on."""

    frame: bytes
    partitions: tuple[Partition, ...]


class MetadataReplies:
    """The replies that hold at present."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._commits = state.commits
        self._known: dict[tuple[int, bytes], Reply] = {}
        self._bytes = 0

    def find(self, version: int, asked: bytes, correlation_id: int) -> Chunks | None:
        """Return the reply to a request, if it is known.

        Args:
            version: the request's.
            asked: its body, as it came.
            correlation_id: the request's.
        """
        if self._commits != self._state.commits:
            self._forget()
            return None
        reply = self._known.get((version, asked))
        if reply is None or any(partition.offline for partition in reply.partitions):
            return None
        frame = bytearray(reply.frame)
        _pack_int(frame, CORRELATION_ID_AT, correlation_id)
        return [frame]

    def keep(self, version: int, asked: bytes, response: MetadataResponse, frame: bytes) -> None:
        """Keep a reply that was made just now, if it may be given again."""
        if self._commits != self._state.commits:
            self._forget()
        partitions: list[Partition | None] = []
        for topic in response.topics or ():
            if topic.error_code:
                return
            partitions += self._state.partitions[topic.name or ""]
        online = tuple(one for one in partitions if one is not None and not one.offline)
        if len(online) < len(partitions):
            return
        if len(self._known) >= MOST_REPLIES or self._bytes + len(frame) > MOST_BYTES:
            self._forget()
        self._known[version, asked] = Reply(frame, online)
        self._bytes += len(frame)

    def _forget(self) -> None:
        self._known.clear()
        self._bytes = 0
        self._commits = self._state.commits
