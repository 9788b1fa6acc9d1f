"""Kafka's checkpoint text: a version line, a count line, then one entry a line.

Three files share it: `leader-epoch-checkpoint` in each partition's folder (Kafka's own format), and in the
data folder `recovery-points` and `log-starts`, which name the topic id beside each offset: what was written
for a deleted topic must not be taken for its successor of the same name. The count catches a torn file.

Pure: text in, entries out. Source: Kafka `CheckpointFile`, `LeaderEpochCheckpointFile`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

VERSION = 0
TOPIC_ID_BYTES = 16

PartitionKey: TypeAlias = tuple[str, int]


class Mark(NamedTuple):
    """One offset of one partition, and the id of the topic it was written for."""

    topic_id: bytes
    offset: int


def write_lines(lines: Iterable[str]) -> bytes:
    """Return a checkpoint file's bytes."""
    entries = list(lines)
    return "\n".join([str(VERSION), str(len(entries)), *entries, ""]).encode()


def read_lines(data: bytes) -> list[str] | None:
    """Return the entries' lines, or None when the file is torn or no checkpoint of this version."""
    try:
        lines = data.decode("utf-8").splitlines()
        version, count = int(lines[0]), int(lines[1])
    except (UnicodeDecodeError, ValueError, IndexError):
        return None
    entries = [line for line in lines[2:] if line.strip()]
    return entries if version == VERSION and len(entries) == count else None


def write_marks(marks: Mapping[PartitionKey, Mark]) -> bytes:
    """Return the checkpoint of one offset per (topic, partition)."""
    return write_lines(
        f"{topic} {index} {mark.offset} {mark.topic_id.hex()}"
        for (topic, index), mark in sorted(marks.items())
    )


def read_marks(data: bytes) -> dict[PartitionKey, Mark] | None:
    """Return one offset per (topic, partition), or None when the file cannot be trusted."""
    lines = read_lines(data)
    if lines is None:
        return None
    marks: dict[PartitionKey, Mark] = {}
    for line in lines:
        try:
            topic, index, offset, topic_id = line.split()
            mark = Mark(bytes.fromhex(topic_id), int(offset))
            marks[topic, int(index)] = mark
        except ValueError:
            return None
        if mark.offset < 0 or len(mark.topic_id) != TOPIC_ID_BYTES:
            return None
    return marks
