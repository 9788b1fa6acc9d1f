"""Produce (0), v3-13: append one record batch per partition.

Hand-written: batches stay opaque slices of the frame.

v0-2 are advertised but refused (see the registry). v5 log start offset, v8 record errors and message
(KIP-467), v9 flexible, v10 current leader tags (KIP-951: this broker leads everything, so there are none),
v11 TRANSACTION_ABORTABLE, v12 a transactional batch adds its partition to the transaction (KIP-890), v13
topic ids (KIP-516). acks: 0 has no response, an error there ends the connection; 1 and -1 are the same on a
single node.

The receive buffer is rewritten in place by the log (base offset, leader epoch); nothing of it is kept.

Source: Kafka `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`.
"""

from __future__ import annotations

from struct import Struct

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.closing import CloseConnection
from tidelock.broker.apis.enrolment import Enrolment, Support, enrol
from tidelock.broker.apis.limits import Entries
from tidelock.broker.log import Partition
from tidelock.broker.metadata import INTERNAL_TOPICS
from tidelock.broker.state import BrokerState, Chunks
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.primitives import MalformedMessage, read_uvarint, skip_tags, write_uvarint
from tidelock.protocol.records import HEADER_BYTES

START_SINCE, FLEXIBLE_SINCE, TOPIC_IDS_SINCE = 5, 9, 13
ABORTABLE_SINCE, IMPLICIT_ADD_SINCE = 11, 12
# Where a batch's header has the low byte of its attributes, and its producer.
ATTRIBUTES_AT, PRODUCER_AT, TRANSACTIONAL = 22, 43, 0x10
ACKS = (-1, 0, 1)
# Heads that are remembered; with more, all are forgotten.
MOST_HEADS = 4096
# No body with a partition in it is shorter.
LEAST_BYTES = 26
NO_FRAME = memoryview(b"")
NOTHING: list[Partition | None] = []

_short = Struct(">h").unpack_from
_int = Struct(">i").unpack_from
_acks = Struct(">hi").unpack_from
_index_byte = Struct(">iB").unpack_from
_index_size = Struct(">ii").unpack_from
_pack_short, _pack_int = Struct(">h").pack, Struct(">i").pack
_pack_size = Struct(">i").pack_into
_pack_head = Struct(">ii").pack
# One partition: index, error, base offset, append time[, log start offset], then what v8+ has to say about
# errors when there is nothing.
_pack_result_v3, _pack_result = Struct(">ihqq").pack, Struct(">ihqqq").pack
_NO_ERRORS = {
    **dict.fromkeys(range(3, 8), b""),
    8: b"\0\0\0\0\xff\xff",
    **dict.fromkeys(range(9, 14), b"\1\0\0"),
}
_producer = Struct(">qhi").unpack_from
_pack_taken_back = Struct(">hqq").pack_into


class Heads:
    """Answers Produce, and remembers what the heads of requests with one partition said.

    A producer writes into the same topics again and again, so everything before its partition's index has the
    same bytes each time: looked up whole, it need not be read. What they meant holds until the next change
    of the metadata image. Transactional requests are always read.

    Args:
        state: the broker.
    """

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._known: dict[tuple[int, bytes], tuple[_Appending, list[Partition | None]]] = {}
        self._made_at = 0

    def handle(self, frame: memoryview, pos: int, call: Call) -> Chunks | None:
        """See `handle`."""
        if self._state.commits != self._made_at:
            self._made_at = self._state.commits
            self._known.clear()
        version = call.version
        if len(frame) < pos + LEAST_BYTES:
            return handle(self._state, frame, pos, call)
        if version >= TOPIC_IDS_SINCE:
            end = pos + 25
        elif version >= FLEXIBLE_SINCE:
            end = pos + 9 + frame[pos + 8]
        else:
            end = pos + 18 + _short(frame, pos + 12)[0]
        head = version, bytes(frame[pos:end])
        known = self._known.get(head)
        if known is None:
            request = _Appending(self._state, frame, call)
            reply = request.answer(pos, call.correlation_id)
            if request.only is not None and _is_single(head) and self._state.commits == self._made_at:
                self._keep(head, request, request.only)
            return reply
        request, found = known
        flexible = version >= FLEXIBLE_SINCE
        index, start, stop = (_flexible_batch if flexible else _classic_batch)(frame, end)
        if not start:
            return handle(self._state, frame, pos, call)
        out = bytearray(_pack_head(0, call.correlation_id))
        if flexible:
            out.append(0)
            out += frame[pos + 7 : end]
        else:
            out += frame[pos + 8 : end]
        request.now = call.now
        request.failed = False
        request.append(found, index, frame[start:stop], out)
        out += b"\0\0\0\0\0\0" if flexible else b"\0\0\0\0"
        return request.finished(out)

    def _keep(self, head: tuple[int, bytes], request: _Appending, found: list[Partition | None]) -> None:
        if len(self._known) >= MOST_HEADS:
            self._known.clear()
        request.frame = NO_FRAME
        self._known[head] = request, found


def _is_single(head: tuple[int, bytes]) -> bool:
    """Whether a head has no transactional id and ends with the first partition of the only topic."""
    version, raw = head
    if version >= FLEXIBLE_SINCE:
        return raw[0] == 0 and raw[7] == 2 and raw[-1] == 2 and (version >= TOPIC_IDS_SINCE or raw[8] < 0x80)
    return raw[:2] == b"\xff\xff" and raw[8:12] == raw[-4:] == b"\0\0\0\1"


def _classic_batch(frame: memoryview, pos: int) -> tuple[int, int, int]:
    """Return the index of a request's last partition, and where its batch is; 0, 0 when more follows."""
    index, size = _index_size(frame, pos)
    return (index, pos + 8, len(frame)) if size == len(frame) - pos - 8 else (index, 0, 0)


def _flexible_batch(frame: memoryview, pos: int) -> tuple[int, int, int]:
    """The same for v9+, where the empty tags of partition, topic and request follow."""
    index, size = _index_byte(frame, pos)
    pos += 5
    if size >= 0x80:
        size, pos = read_uvarint(frame, pos - 1)
    stop = pos + size - 1
    return (index, pos, stop) if size and bytes(frame[stop:]) == b"\0\0\0" else (index, 0, 0)


def handle(state: BrokerState, frame: memoryview, pos: int, call: Call) -> Chunks | None:
    """Append every batch of a request; None if the client wants no response.

    Args:
        state: the broker.
        frame: the request's bytes, writable.
        pos: where the body starts.
        call: the request's header.

    Raises:
        MalformedMessage: the frame is not a Produce of this version.
        CloseConnection: acks=0 and something could not be appended.
    """
    return _Appending(state, frame, call).answer(pos, call.correlation_id)


def _support(version: int) -> Support:
    if version >= IMPLICIT_ADD_SINCE:
        return Support.IMPLICIT_ADD
    return Support.ABORTABLE_ERROR if version >= ABORTABLE_SINCE else Support.OLD


def take_back(reply: bytes | bytearray | memoryview, result_at: int) -> None:
    """Turn one partition's result in a finished reply into KAFKA_STORAGE_ERROR: its flush has failed.

    Args:
        reply: a response frame.
        result_at: where the partition's index stands in it.
    """
    _pack_taken_back(reply, result_at + 4, int(ErrorCode.KAFKA_STORAGE_ERROR), -1, -1)


class _Appending:
    """One request on its way through the log.

    Attributes:
        only: the partitions of the topic read last, where nothing was against it.
    """

    __slots__ = (
        "acks",
        "enrolment",
        "entries",
        "failed",
        "frame",
        "no_errors",
        "now",
        "only",
        "state",
        "version",
    )

    def __init__(self, state: BrokerState, frame: memoryview, call: Call) -> None:
        self.state = state
        self.frame = frame
        self.entries = Entries(frame)
        self.version = call.version
        self.no_errors = _NO_ERRORS[call.version]
        self.acks = 0
        self.enrolment: Enrolment | None = None
        self.now = call.now
        self.failed = False
        self.only: list[Partition | None] | None = None

    def answer(self, pos: int, correlation_id: int) -> Chunks | None:
        """Read the body that starts at `pos` and append; see `handle`."""
        frame, version = self.frame, self.version
        flexible = version >= FLEXIBLE_SINCE
        if flexible:
            size, pos = read_uvarint(frame, pos)
            size -= 1
        else:
            (size,) = _short(frame, pos)
            pos += 2
        if size >= 0:
            self.enrolment = Enrolment(str(frame[pos : pos + size], "utf-8"), _support(version))
            pos += size
        self.acks, _ = _acks(frame, pos)
        pos += 6
        out = bytearray(_pack_head(0, correlation_id))
        if flexible:
            out.append(0)
            self.flexible_topics(pos, out)
            out += b"\0\0\0\0\0"
        else:
            self.classic_topics(pos, out)
            out += b"\0\0\0\0"
        return self.finished(out)

    def finished(self, out: bytearray) -> Chunks | None:
        """Return the reply that `out` is."""
        if self.acks == 0:
            if self.failed:
                raise CloseConnection("a produce with acks=0 failed")
            return None
        _pack_size(out, 0, len(out) - 4)
        return [out]

    def classic_topics(self, pos: int, out: bytearray) -> None:
        """v3-8: fixed-size lengths."""
        frame = self.frame
        (count,) = _int(frame, pos)
        out += frame[pos : pos + 4]
        pos += 4
        for _ in range(self._counted(count)):
            start = pos
            pos += 2 + _short(frame, pos)[0]
            name = str(frame[start + 2 : pos], "utf-8")
            (partitions,) = _int(frame, pos)
            self._counted(partitions)
            pos += 4
            out += frame[start:pos]
            found = self._partitions(name)
            for _ in range(partitions):
                index, size = _index_size(frame, pos)
                pos += 8
                end = pos + max(size, 0)
                self.append(found, index, frame[pos:end], out)
                pos = end
        _require_end(pos, frame)

    def flexible_topics(self, pos: int, out: bytearray) -> None:
        """v9+: varint lengths and tags; v13+ topic ids."""
        frame = self.frame
        count, pos = read_uvarint(frame, pos)
        write_uvarint(out, count)
        for _ in range(self._counted(count - 1)):
            start = pos
            if self.version >= TOPIC_IDS_SINCE:
                pos += 16
                found = self._partitions_by_id(bytes(frame[start:pos]))
            else:
                size, pos = read_uvarint(frame, pos)
                found = self._partitions(str(frame[pos : pos + size - 1], "utf-8"))
                pos += size - 1
            out += frame[start:pos]
            partitions, pos = read_uvarint(frame, pos)
            write_uvarint(out, partitions)
            for _ in range(self._counted(partitions - 1)):
                # One-byte varints and empty tags are read in place: they are nearly all there are.
                index, size = _index_byte(frame, pos)
                pos += 5
                if size >= 0x80:
                    size, pos = read_uvarint(frame, pos - 1)
                end = pos + size - 1 if size else pos
                batch = frame[pos:end]
                pos = end + 1 if not frame[end] else skip_tags(frame, end)
                self.append(found, index, batch, out)
            out.append(0)
            pos = pos + 1 if not frame[pos] else skip_tags(frame, pos)
        _require_end(skip_tags(frame, pos), frame)

    def _counted(self, count: int) -> int:
        if count < 0:
            raise MalformedMessage(f"a Produce says it has {count} elements")
        return self.entries.allowed(count)

    def _partitions(self, name: str) -> list[Partition | None] | int:
        if self.acks not in ACKS:
            return int(ErrorCode.INVALID_REQUIRED_ACKS)
        if name in INTERNAL_TOPICS:
            return int(ErrorCode.INVALID_TOPIC_EXCEPTION)
        if self.acks == -1 and name in self.state.understaffed:
            return int(ErrorCode.NOT_ENOUGH_REPLICAS)
        self.only = self.state.partitions.get(name)
        return NOTHING if self.only is None else self.only

    def _partitions_by_id(self, topic_id: bytes) -> list[Partition | None] | int:
        topic = self.state.image.by_id.get(topic_id)
        return int(ErrorCode.UNKNOWN_TOPIC_ID) if topic is None else self._partitions(topic.name)

    def append(
        self, found: list[Partition | None] | int, index: int, batch: memoryview, out: bytearray
    ) -> None:
        """Append one partition's batch and add the result to the reply."""
        if isinstance(found, int):
            self._refuse(index, found, None, out)
            return
        if not 0 <= index < len(found):
            self._refuse(index, int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), None, out)
            return
        partition = found[index]
        if partition is None:
            self._refuse(index, int(ErrorCode.KAFKA_STORAGE_ERROR), None, out)
            return
        try:
            if len(batch) >= HEADER_BYTES and batch[ATTRIBUTES_AT] & TRANSACTIONAL:
                self._enrol(partition, batch)
            base, last, stamp, start, duplicate = partition.append(batch, self.now.wall_ms)
        except KafkaError as error:
            self.state.failed(partition)
            self._refuse(index, error.error_code, error.what, out)
            return
        if not duplicate or last >= partition.high_watermark:
            # A repeated batch whose first copy still waits for its flush waits for it as well.
            size = len(batch) if partition.codec is None else partition.size_between(base, last + 1)
            self.state.appended(partition, 0 if duplicate else size, len(out))
        if self.version >= START_SINCE:
            out += _pack_result(index, 0, base, stamp, start)
            out += self.no_errors
        else:
            out += _pack_result_v3(index, 0, base, stamp)

    def _enrol(self, partition: Partition, batch: memoryview) -> None:
        """Have a transactional batch's partition in the transaction before the batch is."""
        enrolment = self.enrolment
        if enrolment is None:
            raise errors.TransactionalIdAuthorizationFailed("a transactional batch without transactional id")
        producer_id, epoch, sequence = _producer(batch, PRODUCER_AT)
        try:
            enrol(self.state, partition, ProducerName(producer_id, epoch), enrolment, self.now)
        except errors.ConcurrentTransactions as error:
            if enrolment.support is Support.IMPLICIT_ADD:
                raise
            # Older clients give up at that error, but try again at this one.
            raise errors.NotEnoughReplicas(error.what) from error
        if sequence and enrolment.support is Support.IMPLICIT_ADD:
            known = partition.producers.get(producer_id)
            if known is None or not known.batches:
                raise errors.OutOfOrderSequenceNumber(f"the first sequence of {producer_id} is {sequence}")

    def _refuse(self, index: int, error: int, message: str | None, out: bytearray) -> None:
        self.failed = True
        if self.version < START_SINCE:
            out += _pack_result_v3(index, error, -1, -1)
            return
        out += _pack_result(index, error, -1, -1, -1)
        if self.version < 8 or message is None:
            out += self.no_errors
        else:
            raw = message.encode()
            if self.version == 8:
                out += _pack_int(0) + _pack_short(len(raw)) + raw
            else:
                out.append(1)
                write_uvarint(out, len(raw) + 1)
                out += raw
                out.append(0)


def _require_end(pos: int, frame: memoryview) -> None:
    if pos > len(frame):
        raise MalformedMessage("a Produce is cut short")
