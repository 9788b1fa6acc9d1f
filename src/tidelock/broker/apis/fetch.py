"""Fetch (1), v4-18: read whole batches from many partitions, waiting until there is enough. Hand-written.

v5 log start offset, v7 sessions (KIP-227), v9 leader epoch (KIP-320), v11 rack, v12 flexible and diverging
epoch, v13 topic ids (KIP-516), v15 replica state (KIP-903), v16 node endpoints (KIP-951: none, this broker
leads everything), v17 directory ids, v18 high watermark tag. Replicas do not fetch here.

Sessions are kept in tidelock.broker.fetch_sessions; without room, id 0 has the client fetch in full.
Readers of committed data (KIP-98) get nothing behind the last stable offset, and the aborted
transactions among what they get; what they wait for counts from when it is decided. Limits are soft: the
first batch comes whole (KIP-74); partitions are served in the order of the request. Any error, or nothing
to read from, ends the wait. Batches are handed to the transport as the log returned them.

Source: Kafka `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.fetch_request import FetchRequest, read_request, topic_bytes
from tidelock.broker.apis.limits import LEAST_FETCH_BYTES, MOST_UNSENT_BYTES
from tidelock.broker.fetch_sessions import FINAL_EPOCH, INITIAL_EPOCH, Session, Wanted
from tidelock.broker.log import Partition
from tidelock.broker.purgatory import ParkedFetch
from tidelock.broker.state import BrokerState, Chunks, stable_key
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.primitives import write_uvarint

FLEXIBLE_SINCE, TOPIC_IDS_SINCE = 12, 13
READ_COMMITTED = 1
# Below this size copying a batch into the response costs less than another chunk to send.
COPY_BELOW_BYTES = 4096

_pack_int, _pack_size = Struct(">i").pack, Struct(">i").pack_into
_pack_short = Struct(">h").pack
_pack_head = Struct(">iii").pack
_pack_session = Struct(">hi").pack
_pack_watermarks_v4 = Struct(">ihqq").pack
_pack_watermarks = Struct(">ihqqq").pack
# No aborted transactions: null, for those who read everything. v11+: no preferred read replica.
_PREFERRED = b"\xff\xff\xff\xff"
_TAILS = {
    **dict.fromkeys(range(4, 11), b"\xff\xff\xff\xff"),
    11: b"\xff\xff\xff\xff" + _PREFERRED,
    **dict.fromkeys(range(12, 19), b"\0" + _PREFERRED),
}
_pack_aborted = Struct(">qq").pack
_pack_diverging = Struct(">BBBiqB").pack


def handle(state: BrokerState, frame: memoryview, pos: int, call: Call) -> Chunks | ParkedFetch:
    """Read what is there, or wait for more.

    Raises:
        MalformedMessage: the frame is not a Fetch of this version.
    """
    request = read_request(frame, pos, call.version)
    try:
        session = _session(state, request, call)
    except KafkaError as error:
        return _refused(call, error.error_code)
    reading = _Reading(state, request, call, session)
    chunks = reading.read()
    missing = request.min_bytes - reading.found_bytes
    if session is not None and not reading.failed:
        reading.partitions = list(session.readable(state.readable))
    if missing <= 0 or request.max_wait_ms <= 0 or reading.failed or not reading.partitions:
        reading.answered()
        return chunks
    committed = tuple(reading.partitions) if reading.committed else ()
    parked = ParkedFetch(
        map(stable_key, committed) if committed else reading.partitions,
        missing,
        call.now.monotonic + request.max_wait_ms / 1000,
        lambda: _Reading(state, request, call, session).read_and_answer(),
    )
    parked.committed = committed
    return parked


def _session(state: BrokerState, request: FetchRequest, call: Call) -> Session | None:
    """Open, resume or end a session; None for a fetch without one."""
    sessions, now = state.fetch_sessions, call.now.monotonic
    by_id = call.version >= TOPIC_IDS_SINCE
    if request.session_epoch not in (INITIAL_EPOCH, FINAL_EPOCH):
        return sessions.resume(
            request.session_id, request.session_epoch, request.topics, request.forgotten, by_id=by_id, now=now
        )
    sessions.close(request.session_id)
    if request.session_epoch == FINAL_EPOCH:
        return None
    return sessions.create(request.topics, by_id=by_id, now=now)


def _refused(call: Call, error: int) -> Chunks:
    out = bytearray(_pack_head(0, call.correlation_id, 0))
    if call.version >= FLEXIBLE_SINCE:
        out = bytearray(_pack_head(0, call.correlation_id, 0)[:8] + b"\0\0\0\0\0")
        out += _pack_session(error, 0) + b"\1\0"
    else:
        out += _pack_session(error, 0) + b"\0\0\0\0"
    out[0:4] = _pack_int(len(out) - 4)
    return [out]


class _Reading:
    """One pass over the partitions of a fetch."""

    __slots__ = (
        "call",
        "chunks",
        "committed",
        "failed",
        "flexible",
        "found_bytes",
        "out",
        "partitions",
        "request",
        "served",
        "session",
        "state",
        "topics",
        "version",
    )

    def __init__(
        self, state: BrokerState, request: FetchRequest, call: Call, session: Session | None
    ) -> None:
        self.state = state
        self.session = session
        self.topics = request.topics
        if session is not None:
            self.topics = session.due(state.readable, request.isolation == 1)
        self.request = request
        self.call = call
        self.version = call.version
        self.flexible = call.version >= FLEXIBLE_SINCE
        self.committed = request.isolation == READ_COMMITTED
        self.partitions: list[Partition] = []
        self.served: set[Partition] = set()
        self.found_bytes = 0
        self.failed = False
        self.chunks: Chunks = []
        self.out = bytearray()

    def read_and_answer(self) -> Chunks:
        """Return the response frame, which will be sent."""
        chunks = self.read()
        self.answered()
        return chunks

    def answered(self) -> None:
        """The response is sent: the session need not tell this again."""
        if self.session is not None:
            self.session.sent(self.topics, self.state.readable, self.served)

    def read(self) -> Chunks:
        """Return the response frame."""
        out, flexible = self.out, self.flexible
        out += _pack_head(0, self.call.correlation_id, 0)
        if flexible:
            out.insert(8, 0)
        if self.version >= 7:
            session = self.session
            is_open = session is not None and self.state.fetch_sessions.is_open(session)
            out += _pack_session(0, session.id if session is not None and is_open else 0)
        self._count(len(self.topics))
        room = min(
            self.request.max_bytes,
            self.state.settings.fetch_max_bytes,
            max(LEAST_FETCH_BYTES, MOST_UNSENT_BYTES - self.state.unsent_bytes),
        )
        for topic, wanted in self.topics:
            self.out += topic_bytes(topic, self.version)
            self._count(len(wanted))
            found = self._partitions_of(topic)
            for one in wanted:
                room -= self._partition(found, one, room)
            if flexible:
                self.out.append(0)
        if flexible:
            self.out.append(0)
        chunks = self.chunks
        size = len(self.out) - 4 + sum(map(len, chunks))
        chunks.append(self.out)
        _pack_size(chunks[0], 0, size)
        return chunks

    def _count(self, count: int) -> None:
        if self.flexible:
            write_uvarint(self.out, count + 1)
        else:
            self.out += _pack_int(count)

    def _partitions_of(self, topic: str | bytes) -> list[Partition | None] | int:
        if isinstance(topic, bytes):
            found = self.state.image.by_id.get(topic)
            if found is None:
                return int(ErrorCode.UNKNOWN_TOPIC_ID)
            topic = found.name
        partitions = self.state.partitions.get(topic)
        return int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) if partitions is None else partitions

    def _partition(self, found: list[Partition | None] | int, wanted: Wanted, room: int) -> int:
        """Add one partition's part of the response; returns the bytes read."""
        if isinstance(found, int):
            return self._refuse(wanted, found)
        if not 0 <= wanted.partition < len(found):
            return self._refuse(wanted, int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        partition = found[wanted.partition]
        if partition is None:
            return self._refuse(wanted, int(ErrorCode.KAFKA_STORAGE_ERROR))
        epoch = wanted.leader_epoch
        if epoch not in (-1, partition.leader_epoch):
            fenced = epoch < partition.leader_epoch
            return self._refuse(
                wanted, int(ErrorCode.FENCED_LEADER_EPOCH if fenced else ErrorCode.UNKNOWN_LEADER_EPOCH)
            )
        if wanted.last_epoch >= 0:
            known, end = partition.epoch_end_offset(wanted.last_epoch)
            if known != wanted.last_epoch or end < wanted.offset:
                return self._diverging(partition, wanted, known, end)
        aborted: list[tuple[int, int]] = []
        try:
            data: bytes | memoryview = b""
            if room > 0 or not self.found_bytes:
                limit = partition.last_stable_offset if self.committed else None
                data = partition.read(wanted.offset, max(1, min(wanted.max_bytes, room)), limit=limit)
                if self.committed:
                    aborted = partition.aborted_in(wanted.offset, data)
        except KafkaError as error:
            return self._refuse(wanted, error.error_code)
        self.partitions.append(partition)
        self._head(wanted.partition, 0, partition, aborted)
        return self._serve(partition, data)

    def _serve(self, partition: Partition, data: bytes | memoryview) -> int:
        self._records(data)
        if data:
            self.served.add(partition)
        self.found_bytes += len(data)
        return len(data)

    def _head(
        self, index: int, error: int, partition: Partition | None, aborted: Sequence[tuple[int, int]] = ()
    ) -> None:
        high = stable = start = -1
        if partition is not None:
            high, stable = partition.high_watermark, partition.last_stable_offset
            start = partition.log_start_offset
        if self.version == 4:
            self.out += _pack_watermarks_v4(index, error, high, stable)
        else:
            self.out += _pack_watermarks(index, error, high, stable, start)
        if not self.committed:
            self.out += _TAILS[self.version]
            return
        self._count(len(aborted))
        tags = b"\0" if self.flexible else b""
        for transaction in aborted:
            self.out += _pack_aborted(*transaction) + tags
        if self.version >= 11:
            self.out += _PREFERRED

    def _records(self, data: bytes | memoryview) -> None:
        if self.flexible:
            write_uvarint(self.out, len(data) + 1)
        else:
            self.out += _pack_int(len(data))
        if len(data) < COPY_BELOW_BYTES:
            self.out += data
        else:
            self.chunks += (self.out, data)
            self.out = bytearray()
        if self.flexible:
            self.out.append(0)

    def _refuse(self, wanted: Wanted, error: int) -> int:
        self.failed = True
        self._head(wanted.partition, error, None)
        self._records(b"")
        return 0

    def _diverging(self, partition: Partition, wanted: Wanted, epoch: int, end: int) -> int:
        self.failed = True
        self._head(wanted.partition, 0, partition)
        write_uvarint(self.out, 1)
        # One tagged field, number 0, 13 bytes: the last epoch that agrees, and where it ends.
        self.out += _pack_diverging(1, 0, 13, epoch, end, 0)
        return 0
