"""What a group coordinator makes durable: the records of `__consumer_offsets`, in Kafka's own schemas.

Four things can be recorded: an offset was committed or forgotten, a group changed or was forgotten. Keys
are written as OffsetCommitKey v1 and GroupMetadataKey v2; values as OffsetCommitValue v3 and
GroupMetadataValue v3, the newest that every Kafka since 2.3 reads. Values v0-v3 of both are read. Records
of other kinds (KIP-848 groups) are skipped by `decode`. Pure: imports errors only.

Source: Kafka `OffsetCommitKey/Value.json`, `GroupMetadataKey/Value.json`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import InvalidRequest

OFFSET_KEY, GROUP_KEY = 1, 2
LONGEST_TEXT_BYTES = 0x7FFF
"""Requests can carry longer names than the records, whose lengths have two bytes."""
_OFFSET_VALUE = struct.Struct(">hqi")
_SHORT, _INT, _LONG = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")


class CorruptGroupRecord(TidelockError):
    """A record of `__consumer_offsets` cannot be read."""

    code = "TID-250"


@dataclass(frozen=True, slots=True)
class OffsetCommitted:
    """A group's position in one partition.

    Args:
        leader_epoch: of the last consumed record; -1 unknown.
        commit_ms: wall clock of the commit, milliseconds.
    """

    group: str
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int


@dataclass(frozen=True, slots=True)
class OffsetForgotten:
    """A position is gone: expired or deleted."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class MemberImage:
    """The durable part of one member of a classic group; timeouts in milliseconds."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A classic group's generation with its assignment; without members it is empty."""

    group: str
    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    state_ms: int
    members: tuple[MemberImage, ...]


@dataclass(frozen=True, slots=True)
class GroupForgotten:
    """A group is gone, with everything but its offsets' own tombstones."""

    group: str


GroupRecord: TypeAlias = OffsetCommitted | OffsetForgotten | GroupChanged | GroupForgotten


def encode(record: GroupRecord) -> tuple[bytes, bytes | None]:
    """Return the (key, value) of a record; the value is None for a tombstone."""
    if isinstance(record, OffsetCommitted | OffsetForgotten):
        place = _text(record.group) + _text(record.topic) + struct.pack(">i", record.partition)
        found = struct.pack(">h", OFFSET_KEY) + place
        return found, _offset_value(record) if isinstance(record, OffsetCommitted) else None
    found = struct.pack(">h", GROUP_KEY) + _text(record.group)
    return found, _group_value(record) if isinstance(record, GroupChanged) else None


def _offset_value(record: OffsetCommitted) -> bytes:
    head = _OFFSET_VALUE.pack(3, record.offset, record.leader_epoch)
    return head + _text(record.metadata) + struct.pack(">q", record.commit_ms)


def _group_value(record: GroupChanged) -> bytes:
    out = bytearray(struct.pack(">h", 3) + _text(record.protocol_type))
    out += struct.pack(">i", record.generation) + _text(record.protocol) + _text(record.leader)
    out += struct.pack(">qi", record.state_ms, len(record.members))
    for member in record.members:
        out += _text(member.member_id) + _text(member.instance_id)
        out += _text(member.client_id) + _text(member.client_host)
        out += struct.pack(">ii", member.rebalance_timeout_ms, member.session_timeout_ms)
        for blob in (member.subscription, member.assignment):
            out += struct.pack(">i", len(blob)) + blob
    return bytes(out)


def _text(value: str | None) -> bytes:
    if value is None:
        return b"\xff\xff"
    raw = value.encode()
    if len(raw) > LONGEST_TEXT_BYTES:
        raise InvalidRequest(f"a name of {len(raw)} bytes does not fit a group record")
    return struct.pack(">h", len(raw)) + raw


def decode(key: bytes, value: bytes | None) -> GroupRecord | None:
    """Read one record back; None for a kind that this coordinator does not keep.

    Raises:
        CorruptGroupRecord: the bytes do not follow the schema.
    """
    try:
        return _decode(_Reader(key), value)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise CorruptGroupRecord(f"a group record is damaged: {error}", where="__consumer_offsets") from None


def _decode(key: _Reader, value: bytes | None) -> GroupRecord | None:
    kind = key.number(_SHORT)
    if kind in (0, OFFSET_KEY):
        group, topic, partition = key.text(), key.text(), key.number(_INT)
        if value is None:
            return OffsetForgotten(group, topic, partition)
        return _read_offset(group, topic, partition, _Reader(value))
    if kind == GROUP_KEY:
        group = key.text()
        return GroupForgotten(group) if value is None else _read_group(group, _Reader(value))
    return None


def _read_offset(group: str, topic: str, partition: int, value: _Reader) -> OffsetCommitted:
    version = value.number(_SHORT)
    if version not in (0, 1, 2, 3):
        raise ValueError(f"OffsetCommitValue version {version}")
    offset = value.number(_LONG)
    epoch = value.number(_INT) if version >= 3 else -1
    return OffsetCommitted(group, topic, partition, offset, epoch, value.text(), value.number(_LONG))


def _read_group(group: str, value: _Reader) -> GroupChanged:
    version = value.number(_SHORT)
    if version not in (0, 1, 2, 3):
        raise ValueError(f"GroupMetadataValue version {version}")
    protocol_type, generation = value.text(), value.number(_INT)
    protocol, leader = value.optional_text(), value.optional_text()
    state_ms = value.number(_LONG) if version >= 2 else -1
    members = tuple(_read_member(value, version) for _ in range(value.count()))
    return GroupChanged(group, protocol_type, generation, protocol, leader, state_ms, members)


def _read_member(value: _Reader, version: int) -> MemberImage:
    member_id = value.text()
    instance_id = value.optional_text() if version >= 3 else None
    client_id, client_host = value.text(), value.text()
    rebalance = value.number(_INT) if version >= 1 else -1
    session = value.number(_INT)
    if rebalance < 0:
        rebalance = session
    subscription, assignment = value.blob(), value.blob()
    return MemberImage(
        member_id, instance_id, client_id, client_host, rebalance, session, subscription, assignment
    )


class _Reader:
    """A position in the bytes of one key or value."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def number(self, form: struct.Struct) -> int:
        found: int = form.unpack_from(self.data, self.position)[0]
        self.position += form.size
        return found

    def count(self) -> int:
        found = self.number(_INT)
        if found < 0 or found > len(self.data):
            raise ValueError(f"{found} elements in {len(self.data)} bytes")
        return found

    def blob(self) -> bytes:
        return self._take(self.count())

    def text(self) -> str:
        found = self.optional_text()
        if found is None:
            raise ValueError("null where a string must be")
        return found

    def optional_text(self) -> str | None:
        length = self.number(_SHORT)
        return None if length < 0 else self._take(length).decode()

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self.data):
            raise ValueError(f"ends at byte {len(self.data)} inside a field of {length} bytes")
        found = self.data[self.position : end]
        self.position = end
        return found
