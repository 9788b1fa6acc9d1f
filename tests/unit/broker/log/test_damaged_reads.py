"""Bytes that change on the disk under a running broker: readers come as far as the damage, and are told."""

from __future__ import annotations

import pytest

from tests.support.batches import batch
from tidelock.broker.log import LogSettings, MemoryFiles, Partition
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import iter_batches

NOW = 1_000_000
SETTINGS = LogSettings(segment_bytes=40_000, index_interval_bytes=2_000)
LOG = "orders-0/00000000000000000000.log"


class CountingFiles(MemoryFiles):
    """Counts the bytes that are read."""

    read_bytes = 0

    def read(self, path: str, position: int, size: int) -> bytes:
        data = super().read(path, position, size)
        self.read_bytes += len(data)
        return data


class Damaged:
    """A partition of several segments, the first of which has a wrong byte in its fourth batch."""

    def __init__(self, field: int) -> None:
        self.files = CountingFiles()
        self.partition = Partition.open(self.files, "orders-0", SETTINGS, NOW)
        for _ in range(800):
            self.partition.append(batch(2), NOW)
        starts = [at for _, at in iter_batches(self.files.read(LOG, 0, self.files.size(LOG)))]
        self.bad, self.last = 3, len(starts) - 1
        place = self.files._stored(LOG)
        place.data[starts[self.bad] + field] ^= 0x40

    def offsets(self, start: int, max_bytes: int = 10_000) -> list[int]:
        return [header.base_offset for header, _ in iter_batches(self.partition.read(start, max_bytes))]


# The high bytes of the length, its low byte (too short for a header), the magic: no walk can pass them.
@pytest.mark.parametrize("field", [8, 16])
def test_readers_come_as_far_as_the_damage(field: int) -> None:
    log = Damaged(field)
    position = 0
    while position < 2 * log.bad:
        position = log.offsets(position, 400)[-1] + 2
    assert position == 2 * log.bad
    for _ in range(2):
        with pytest.raises(errors.CorruptMessage) as told:
            log.partition.read(position, 400)
    assert told.value.error_code == 2


@pytest.mark.parametrize("field", [8, 16])
def test_readers_go_on_behind_it(field: int) -> None:
    log = Damaged(field)
    with pytest.raises(errors.CorruptMessage):
        log.partition.read(2 * log.bad, 400)
    behind = 2 * log.last
    assert log.offsets(behind) == [behind]
    assert log.offsets(behind + 2, 1) == [behind + 2]  # the next segment
    assert log.offsets(0, 400)[0] == 0


def test_the_operator_reads_once_which_byte_it_is_and_what_to_do() -> None:
    log = Damaged(16)
    for _ in range(3):
        with pytest.raises(errors.CorruptMessage):
            log.partition.read(2 * log.bad, 400)
    (line,) = log.partition.troubles.due(0.0)
    assert line.startswith("orders-0: records cannot be read: the log is damaged")
    assert f"{LOG}, byte " in line
    assert "do: restore the folder from a copy, move readers past it" in line
    assert "\n" not in line
    assert log.partition.troubles.due(1.0) == []


def test_asking_again_does_not_read_the_segment_again() -> None:
    log = Damaged(16)
    for _ in range(2):
        log.files.read_bytes = 0
        with pytest.raises(errors.CorruptMessage):
            log.partition.read(2 * log.bad, 400)
    assert log.files.read_bytes < 20_000


def test_a_wrong_byte_among_records_is_the_readers_to_find() -> None:
    """The broker never opens a batch: its checksum is what tells the client, as with Kafka."""
    log = Damaged(65)
    data = log.partition.read(2 * log.bad, 400)
    (header, _), *_ = iter_batches(data)
    assert header.base_offset == 2 * log.bad
