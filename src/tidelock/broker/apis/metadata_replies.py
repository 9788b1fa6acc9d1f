"""Metadata replies that are given again: with 1,000 partitions, making one costs as much as 200 appends.

Every client asks the same again and again, and the answer changes only with the cluster: a reply holds until
the next change of the metadata image, or until a partition goes offline, whichever. Kept by version and by
the request's very bytes, so that one which is known need not even be decoded. Replies with an error in them
are not kept: asked again, the broker may create the topic.
"""

from __future__ import annotations

from struct import Struct

from tidelock.broker.state import BrokerState, Chunks
from tidelock.protocol.messages.metadata import MetadataResponse

# With more of either everything is forgotten and begins anew.
MOST_REPLIES, MOST_BYTES = 64, 4 << 20
CORRELATION_ID_AT = 4

_pack_int = Struct(">i").pack_into


class MetadataReplies:
    """The replies that hold at present."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._known: dict[tuple[int, bytes], bytes] = {}
        self._bytes = 0
        self._made_at = (0, 0)

    def find(self, version: int, asked: bytes, correlation_id: int) -> Chunks | None:
        """Return the reply to a request, if it is known.

        Args:
            version: the request's.
            asked: its body, as it came.
            correlation_id: the request's.
        """
        self._forget_outdated()
        known = self._known.get((version, asked))
        if known is None:
            return None
        frame = bytearray(known)
        _pack_int(frame, CORRELATION_ID_AT, correlation_id)
        return [frame]

    def keep(self, version: int, asked: bytes, response: MetadataResponse, frame: bytes) -> None:
        """Keep a reply that was made just now, if it may be given again."""
        self._forget_outdated()
        for topic in response.topics or ():
            if topic.error_code or any(
                one is None or one.offline for one in self._state.partitions[topic.name or ""]
            ):
                return
        if len(self._known) >= MOST_REPLIES or self._bytes + len(frame) > MOST_BYTES:
            self._forget()
        self._known[version, asked] = frame
        self._bytes += len(frame)

    def _forget_outdated(self) -> None:
        state = self._state
        present = (state.commits, state.logs.troubles.outages)
        if present != self._made_at:
            self._made_at = present
            self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._bytes = 0
