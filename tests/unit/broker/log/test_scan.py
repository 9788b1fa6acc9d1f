"""A scan yields whole, valid, consecutive batches and says where and why it stopped."""

import struct

import pytest

from tests.support.batches import batch
from tidelock.broker.log import MemoryFiles
from tidelock.broker.log.scan import CHUNK_BYTES, Scan
from tidelock.protocol.records import set_offset_and_epoch


def placed(base_offset: int, *, count: int = 2, epoch: int = 0, size: int = 20) -> bytes:
    made = batch(count, size=size)
    set_offset_and_epoch(made, 0, base_offset, epoch)
    return bytes(made)


def scan(*parts: bytes, expected: int = 0, gaps: bool = False, epoch: int = -1) -> tuple[list[int], Scan]:
    files = MemoryFiles()
    files.open("log").append(b"".join(parts))
    found = Scan(files, "log", files.size("log"), expected, gaps=gaps, epoch=epoch)
    return [header[0] for _, header in found], found


def test_a_sound_log_is_read_to_its_end() -> None:
    offsets, found = scan(placed(0), placed(2), placed(4))
    assert offsets == [0, 2, 4]
    assert (found.problem, found.position, found.expected_offset) == (None, 3 * len(placed(0)), 6)


def test_an_empty_log_has_no_problem() -> None:
    offsets, found = scan()
    assert (offsets, found.problem, found.expected_offset) == ([], None, 0)


def test_batches_larger_than_a_piece_and_across_its_edge_are_read_whole() -> None:
    large = placed(2, count=1, size=CHUNK_BYTES + 100)
    offsets, found = scan(placed(0), large, placed(3), placed(5, count=1, size=CHUNK_BYTES // 2), placed(6))
    assert offsets == [0, 2, 3, 5, 6]
    assert found.problem is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (bytes(200), "zeroes"),
        (placed(2)[:-1] + b"\xff", "checksum"),
        (placed(3), "offset 3"),
        (placed(1), "offset 1"),
        (placed(2)[:16] + b"\x01" + placed(2)[17:], "magic"),
        (placed(2)[:8] + struct.pack(">i", 10) + placed(2)[12:], "22 bytes"),
        (placed(2, epoch=4)[:12] + struct.pack(">i", -5) + placed(2)[16:], "epoch"),
    ],
)
def test_the_first_bad_byte_ends_the_scan(bad: bytes, why: str) -> None:
    offsets, found = scan(placed(0), bad, placed(4))
    assert offsets == [0]
    assert found.position == len(placed(0))
    assert found.expected_offset == 2
    assert found.problem is not None
    assert why in found.problem


@pytest.mark.parametrize(("kept", "why"), [(-1, "left"), (61, "left"), (60, "too few"), (1, "too few")])
def test_a_batch_that_is_cut_off_ends_the_scan(kept: int, why: str) -> None:
    offsets, found = scan(placed(0), placed(2)[:kept])
    assert offsets == [0]
    assert found.position == len(placed(0))
    assert why in str(found.problem)


def test_compacted_logs_may_have_gaps_but_never_go_back() -> None:
    assert scan(placed(0), placed(7), placed(9), gaps=True)[0] == [0, 7, 9]
    assert scan(placed(0), placed(1), gaps=True)[0] == [0]
    assert scan(placed(0), placed(2**40), gaps=True)[0] == [0]


def test_leader_epochs_never_go_back() -> None:
    assert scan(placed(0, epoch=3), placed(2, epoch=2))[0] == [0]
    assert scan(placed(0, epoch=3), epoch=4)[0] == []
