"""SIGKILL at random moments on real files: no acknowledged append is lost, offsets stay gapless."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.broker_log.appender import NOW, PARTITIONS, SETTINGS
from tidelock.broker.disk import RealFiles
from tidelock.broker.log import Logs, Partition
from tidelock.protocol.records import check_crc, iter_batches

KILLS = 8
SEED = 20_240
APPENDER = "tests.integration.broker_log.appender"


def append_until_killed(root: Path, acknowledgements: int, seed: int, *, flushes: float) -> dict[int, int]:
    """Run the appender, kill it after so many acknowledgements; the last offset it reported per partition."""
    arguments = [str(root), str(seed), str(flushes)]
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", APPENDER, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged: dict[int, int] = {}
    for number, line in enumerate(child.stdout):
        words = line.split()
        if words[0] != "open" and line.endswith("\n"):
            acknowledged[int(words[0])] = int(words[2])
        if number == acknowledgements:
            child.kill()
    assert child.wait() == -9
    child.stdout.close()
    return acknowledged


def check(partition: Partition) -> None:
    """Every batch whole, valid, and in its place."""
    offset = 0
    while offset < partition.log_end_offset:
        data = partition.read(offset, 1_000_000)
        for header, position in iter_batches(data):
            assert header.base_offset == offset
            assert header.base_sequence == offset
            assert check_crc(data, position, header)
            offset = header.last_offset + 1
    assert offset == partition.log_end_offset


@pytest.mark.slow
def test_no_acknowledged_append_is_lost(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    acknowledged: dict[int, int] = {}
    for kill in range(KILLS):
        acknowledged |= append_until_killed(tmp_path, draw.randint(20, 1_500), SEED + kill, flushes=0.01)
        files = RealFiles(tmp_path)
        logs = Logs(files, lambda _: SETTINGS)
        report = logs.open_all(NOW)
        assert report.offline == {}
        for index in range(PARTITIONS):
            partition = logs.get("orders", index)
            assert partition.log_end_offset > acknowledged.get(index, -1)
            assert partition.leader_epoch == 2 * kill + 1
            check(partition)
        logs.close(clean=kill % 2 == 0)
        files.close()


def test_a_torn_zeroed_or_flipped_tail_is_cut_off(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    acknowledged = append_until_killed(tmp_path, 600, SEED, flushes=0)
    for number in range(30):
        log = max((tmp_path / "orders-0").glob("*.log"))
        data = bytearray(log.read_bytes())
        at = draw.randint(max(len(data) - 65_536, 0), len(data))
        match number % 3:
            case 0:
                del data[at:]
            case 1:
                data[at:] = bytes(len(data) - at)
            case 2 if at < len(data):
                data[at] ^= 1 << draw.randrange(8)
        log.write_bytes(data)
        files = RealFiles(tmp_path)
        logs = Logs(files, lambda _: SETTINGS)
        report = logs.open_all(NOW)
        assert report.offline == {}
        assert logs.get("orders", 1).log_end_offset > acknowledged[1]
        check(logs.get("orders", 0))
        logs.close(clean=False)
        files.close()
