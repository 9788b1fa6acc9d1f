"""What Connect's workers tell each other through the group: metadata and assignments, versions 0 to 2. Pure.

    metadata    int16 version | string url | int64 config offset | v1+: nullable bytes assignment
    assignment  int16 version | int16 error | string leader | string leader url | int64 config offset
                | array of (string connector, array of int32 task) assigned | v1+: the same, nullable, revoked
                | v1+: int32 delay

Task -1 is the connector itself. Version 0 is eager, 1 incremental and cooperative (KIP-415), 2 the same with
signed requests between the workers (KIP-507). From version 1 on an assignment holds what is new only.

Source: Kafka `runtime.distributed.{ConnectProtocol, IncrementalCooperativeConnectProtocol}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from struct import Struct as Layout
from struct import error as struct_error
from typing import NamedTuple

from tidelock.errors import RemoteProtocolError

PROTOCOL_TYPE = "connect"
EAGER, COMPATIBLE, SESSIONED = 0, 1, 2
PROTOCOLS = {EAGER: "default", COMPATIBLE: "compatible", SESSIONED: "sessioned"}
NO_ERROR, CONFIG_MISMATCH = 0, 1
CONNECTOR_TASK = -1

_SHORT, _INT, _LONG = Layout(">h"), Layout(">i"), Layout(">q")


class TaskId(NamedTuple):
    """One task of a connector."""

    connector: str
    task: int

    def __str__(self) -> str:
        return f"{self.connector}-{self.task}"


@dataclass(frozen=True, slots=True)
class ConnectorsAndTasks:
    """What one worker, or all of them, have to run."""

    connectors: frozenset[str] = frozenset()
    tasks: frozenset[TaskId] = frozenset()

    @classmethod
    def of(cls, connectors: Iterable[str] = (), tasks: Iterable[tuple[str, int]] = ()) -> ConnectorsAndTasks:
        """Make one of any collections."""
        return cls(frozenset(connectors), frozenset(TaskId(*one) for one in tasks))

    def __or__(self, other: ConnectorsAndTasks) -> ConnectorsAndTasks:
        return ConnectorsAndTasks(self.connectors | other.connectors, self.tasks | other.tasks)

    def __sub__(self, other: ConnectorsAndTasks) -> ConnectorsAndTasks:
        return ConnectorsAndTasks(self.connectors - other.connectors, self.tasks - other.tasks)

    def __and__(self, other: ConnectorsAndTasks) -> ConnectorsAndTasks:
        return ConnectorsAndTasks(self.connectors & other.connectors, self.tasks & other.tasks)

    def __len__(self) -> int:
        return len(self.connectors) + len(self.tasks)


NOTHING = ConnectorsAndTasks()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the leader gives one worker.

    Attributes:
        error: NO_ERROR, or CONFIG_MISMATCH: nobody gets anything, read the config topic and join again.
        leader: member id; `leader_url` is where its REST interface is.
        offset: of the config topic, to which the assignment belongs.
        assigned: all work in version 0, what is new from version 1 on.
        revoked: to be stopped; then the worker joins again.
        delay: milliseconds after which to join again; 0 for never.
    """

    version: int
    error: int = NO_ERROR
    leader: str = ""
    leader_url: str = ""
    offset: int = -1
    assigned: ConnectorsAndTasks = NOTHING
    revoked: ConnectorsAndTasks = NOTHING
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What one worker says of itself when it joins.

    Attributes:
        url: of its REST interface, with a slash at the end.
        offset: how far it has read the config topic.
        assignment: what it runs; None for nothing, and in version 0.
    """

    version: int
    url: str
    offset: int
    assignment: Assignment | None = field(default=None)

    @property
    def running(self) -> ConnectorsAndTasks:
        """What the worker runs."""
        return NOTHING if self.assignment is None else self.assignment.assigned


def encode_metadata(metadata: Metadata) -> bytes:
    """Return the bytes for JoinGroup."""
    out = bytearray(_SHORT.pack(metadata.version))
    _write_text(out, metadata.url)
    out += _LONG.pack(metadata.offset)
    if metadata.version != EAGER:
        if metadata.assignment is None:
            out += _INT.pack(-1)
        else:
            body = encode_assignment(metadata.assignment)
            out += _INT.pack(len(body)) + body
    return bytes(out)


def decode_metadata(data: bytes) -> Metadata:
    """Read another worker's metadata; a newer version's further fields are left alone.

    Raises:
        RemoteProtocolError: the bytes are not what they should be.
    """
    reader = _Reader(data)
    version = reader.int16()
    url, offset = reader.text(), reader.int64()
    body = reader.blob() if version != EAGER else None
    return Metadata(version, url, offset, decode_assignment(body) if body else None)


def encode_assignment(assignment: Assignment) -> bytes:
    """Return the bytes for SyncGroup."""
    out = bytearray(_SHORT.pack(assignment.version) + _SHORT.pack(assignment.error))
    _write_text(out, assignment.leader)
    _write_text(out, assignment.leader_url)
    out += _LONG.pack(assignment.offset)
    _write_work(out, assignment.assigned)
    if assignment.version != EAGER:
        if assignment.revoked:
            _write_work(out, assignment.revoked)
        else:
            out += _INT.pack(-1)
        out += _INT.pack(assignment.delay)
    return bytes(out)


def decode_assignment(data: bytes) -> Assignment:
    """Read what the leader has given this worker.

    Raises:
        RemoteProtocolError: the bytes are not what they should be.
    """
    reader = _Reader(data)
    version, error = reader.int16(), reader.int16()
    leader, url, offset = reader.text(), reader.text(), reader.int64()
    assigned, revoked, delay = reader.work(), NOTHING, 0
    if version != EAGER:
        revoked, delay = reader.work(), reader.int32()
    return Assignment(version, error, leader, url, offset, assigned, revoked, delay)


def protocols(version: int) -> Sequence[int]:
    """Return the versions that a worker offers which speaks up to `version`, the dearest first."""
    return tuple(range(version, -1, -1))


def version_of(name: str) -> int:
    """Return the version of a protocol's name.

    Raises:
        RemoteProtocolError: no protocol has that name.
    """
    for version, known in PROTOCOLS.items():
        if known == name:
            return version
    raise RemoteProtocolError(f"the group speaks the protocol {name!r}, which is none of Connect's")


def _write_text(out: bytearray, text: str) -> None:
    data = text.encode()
    out += _SHORT.pack(len(data)) + data


def _write_work(out: bytearray, work: ConnectorsAndTasks) -> None:
    grouped: dict[str, list[int]] = {name: [CONNECTOR_TASK] for name in sorted(work.connectors)}
    for task in sorted(work.tasks):
        grouped.setdefault(task.connector, []).append(task.task)
    out += _INT.pack(len(grouped))
    for name, numbers in grouped.items():
        _write_text(out, name)
        out += _INT.pack(len(numbers))
        for number in numbers:
            out += _INT.pack(number)


class _Reader:
    """Reads big-endian fields one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def int16(self) -> int:
        return self._number(_SHORT)

    def int32(self) -> int:
        return self._number(_INT)

    def int64(self) -> int:
        return self._number(_LONG)

    def text(self) -> str:
        try:
            return self._bytes(self.int16()).decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"a text in Connect's group metadata is no UTF-8: {error}") from None

    def blob(self) -> bytes | None:
        size = self.int32()
        return None if size < 0 else self._bytes(size)

    def work(self) -> ConnectorsAndTasks:
        connectors: set[str] = set()
        tasks: set[TaskId] = set()
        for _ in range(max(0, self.int32())):
            name = self.text()
            for _ in range(max(0, self.int32())):
                number = self.int32()
                if number == CONNECTOR_TASK:
                    connectors.add(name)
                else:
                    tasks.add(TaskId(name, number))
        return ConnectorsAndTasks(frozenset(connectors), frozenset(tasks))

    def _number(self, layout: Layout) -> int:
        try:
            (found,) = layout.unpack_from(self._data, self._at)
        except struct_error:
            raise RemoteProtocolError("Connect's group metadata is cut short") from None
        self._at += layout.size
        return found  # type: ignore[no-any-return]

    def _bytes(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise RemoteProtocolError("Connect's group metadata is cut short")
        found, self._at = self._data[self._at : end], end
        return found
