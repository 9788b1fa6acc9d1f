"""Apache Kafka's own DumpLogSegments reads our files and finds nothing to complain about."""

import re
from pathlib import Path

import pytest

from tests.engines.fetch import Engines
from tests.engines.kafka import run_tool
from tests.support.batches import batch
from tidelock.broker.disk import RealFiles
from tidelock.broker.log import Logs, LogSettings, Marker
from tidelock.broker.transactions.records import encode_key, encode_value
from tidelock.broker.transactions.state import Transaction, TransactionStatus
from tidelock.protocol.records import COMMIT, Producer, Record, build_batch, build_control_batch

pytestmark = pytest.mark.needs_kafka

NOW = 1_700_000_000_000
SETTINGS = LogSettings(segment_bytes=20_000, index_interval_bytes=1_000)


def written(root: Path) -> Path:
    """Three starts: plain, compressed, idempotent and transactional batches over several segments."""
    sequence = 0
    for start in range(3):
        logs = Logs(RealFiles(root), lambda _: SETTINGS)
        logs.open_all(NOW)
        partition = logs.get("orders", 0) if start else logs.create("orders", 0, bytes(range(16)), NOW)
        for number in range(60):
            timestamp = NOW + 1_000 * start + 10 * number
            partition.append(batch(5, timestamp=timestamp, compression=number % 2), NOW)
            partition.append(batch(3, timestamp=timestamp - 500, producer=Producer(77, 2, sequence)), NOW)
            sequence += 3
        transaction = Producer(88, start, 0)
        partition.append(batch(2, timestamp=NOW, producer=transaction, transactional=True), NOW)
        marker = build_control_batch(COMMIT, transaction, coordinator_epoch=3, timestamp=NOW)
        partition.append(memoryview(marker), NOW, internal=True)
        assert logs.close(clean=True) == []
    return root / "orders-0"


def dumped(engines: Engines, *files: Path, options: tuple[str, ...] = ()) -> str:
    names = ",".join(str(file) for file in files)
    done = run_tool(engines, "org.apache.kafka.tools.DumpLogSegments", *options, "--files", names)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kafka_finds_every_record_valid(engines: Engines, tmp_path: Path) -> None:
    folder = written(tmp_path)
    logs = sorted(folder.glob("*.log"))
    assert len(logs) > 3
    text = dumped(engines, *logs, options=("--deep-iteration",))
    offsets = [int(found) for found in re.findall(r"^\| offset: (\d+)", text, re.MULTILINE)]
    assert offsets == list(range(3 * (60 * 8 + 3)))
    assert "isvalid: false" not in text
    assert len(re.findall(r"isvalid: true", text)) == 3 * (120 + 2)
    assert set(re.findall(r"partitionLeaderEpoch: (\d+)", text)) == {"0", "1", "2"}
    assert "endTxnMarker: COMMIT" in text


def test_kafka_finds_indexes_that_agree_with_the_log(engines: Engines, tmp_path: Path) -> None:
    folder = written(tmp_path)
    indexes = [*sorted(folder.glob("*.index")), *sorted(folder.glob("*.timeindex"))]
    assert len(indexes) == 2 * len(list(folder.glob("*.log")))
    text = dumped(engines, *indexes, options=("--verify-index-only",))
    for complaint in (
        "Mismatches",
        "Non-consecutive",
        "not found",
        "Found timestamp mismatch",
        "out of order",
    ):
        assert complaint not in text
    entries = dumped(engines, *indexes)
    assert len(re.findall(r"^offset: \d+ position: \d+", entries, re.MULTILINE)) > 20
    assert len(re.findall(r"^timestamp: \d+ offset: \d+", entries, re.MULTILINE)) > 20


def test_kafka_reads_the_producer_snapshot(engines: Engines, tmp_path: Path) -> None:
    folder = written(tmp_path)
    text = dumped(engines, sorted(folder.glob("*.snapshot"))[-1])
    assert re.search(
        r"producerId: 77 producerEpoch: 2 .*lastSequence: 539 lastOffset: \d+ offsetDelta: 2", text
    )
    assert re.search(r"producerId: 88 producerEpoch: 2 .*currentTxnFirstOffset: OptionalLong.empty", text)


def test_kafka_reads_the_aborted_transactions_and_the_open_one(engines: Engines, tmp_path: Path) -> None:
    logs = Logs(RealFiles(tmp_path), lambda _: SETTINGS)
    logs.open_all(NOW)
    partition = logs.create("orders", 0, bytes(range(16)), NOW)
    for producer_id in (5, 6):
        partition.append(batch(2, producer=Producer(producer_id, 0, 0), transactional=True), NOW)
    partition.append_marker(Marker(6, 1, False, 4), NOW)
    assert logs.close(clean=True) == []
    folder = tmp_path / "orders-0"
    text = dumped(engines, *folder.glob("*.txnindex"))
    assert re.search(r"producerId: 6 firstOffset: 2 lastOffset: 4 lastStableOffset: 0", text)
    snapshot = dumped(engines, *folder.glob("*.snapshot"))
    assert re.search(r"producerId: 5 .*currentTxnFirstOffset: OptionalLong\[0\]", snapshot)
    assert re.search(r"producerId: 6 producerEpoch: 1 coordinatorEpoch: 4", snapshot)


def test_kafka_reads_the_coordinators_records(engines: Engines, tmp_path: Path) -> None:
    image = Transaction(
        "mine",
        7,
        3,
        60_000,
        TransactionStatus.ONGOING,
        partitions=frozenset({("t", 1)}),
        start_ms=NOW,
        version=2,
    )
    logs = Logs(RealFiles(tmp_path), lambda _: SETTINGS)
    logs.open_all(NOW)
    partition = logs.create("__transaction_state", 0, bytes(range(16)), NOW)
    record = Record(0, NOW, encode_key("mine"), encode_value(image))
    partition.append(memoryview(build_batch([record])), NOW, internal=True)
    assert logs.close(clean=True) == []
    log = tmp_path / "__transaction_state-0" / "00000000000000000000.log"
    text = dumped(engines, log, options=("--transaction-log-decoder",))
    for part in ('"transactionalId":"mine"', '"producerId":7', '"producerEpoch":3', '"partitionIds":[1]'):
        assert part in text
