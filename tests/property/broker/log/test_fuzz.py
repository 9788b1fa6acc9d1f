"""Every reader of the log's files takes any bytes: it answers, or refuses in its own words, and never breaks.

Invariants: opening a data folder never raises; a partition is open or offline with a reason; an open one
can be read from start to end and appended to, or answers with a Kafka error; a client's bytes are appended
or refused.
"""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.batches import batch
from tests.support.logs import flush_all
from tidelock.broker.log import Logs, LogSettings, MemoryFiles
from tidelock.broker.log.checkpoint import read_lines, read_marks
from tidelock.broker.log.epochs import LeaderEpochs
from tidelock.broker.log.files import read_all
from tidelock.broker.log.index import OffsetIndex, TimeIndex
from tidelock.broker.log.logs import read_topic_id
from tidelock.broker.log.producer_state import ProducerState
from tidelock.broker.log.resume import Resume
from tidelock.broker.log.transactions import AbortedTransaction, TransactionIndex, read_marker
from tidelock.protocol.error_codes import CorruptMessage, InvalidRecord, KafkaError
from tidelock.protocol.records import ABORT, Producer, build_control_batch, iter_batches

NOW = 1_000_000
SMALL = LogSettings(segment_bytes=1_000, index_interval_bytes=200)


def data_folder(*, clean: bool) -> MemoryFiles:
    files = MemoryFiles()
    logs = Logs(files, lambda _: SMALL)
    logs.open_all(NOW)
    partition = logs.create("orders", 0, bytes(range(16)), NOW)
    for number in range(20):
        partition.append(batch(2, timestamp=NOW + number, producer=Producer(1, 0, 2 * number)), NOW)
    partition.delete_records_before(9)
    flush_all(logs)
    if clean:
        logs.close(clean=True)
    return files


FOLDERS = {clean: data_folder(clean=clean) for clean in (False, True)}
PATHS = {
    clean: [
        *(f"orders-0/{name}" for name in files.list("orders-0")),
        *(name for name in files.list("") if name != "orders-0"),
    ]
    for clean, files in FOLDERS.items()
}


def copied(files: MemoryFiles) -> MemoryFiles:
    copy = MemoryFiles()
    copy.make_folder("orders-0")
    for path in (*(f"orders-0/{name}" for name in files.list("orders-0")), *files.list("")):
        if path != "orders-0":
            copy.open(path).append(read_all(files, path))
    return copy


def use(files: MemoryFiles) -> None:
    """Open the folder and do with it what a broker would."""
    logs = Logs(files, lambda _: SMALL)
    report = logs.open_all(NOW)
    if ("orders", 0) not in logs.partitions:
        assert report.offline[("orders", 0)]
        return
    partition = logs.get("orders", 0)
    with contextlib.suppress(KafkaError):
        offset = partition.log_start_offset
        while offset < partition.log_end_offset:
            data = partition.read(offset, 300)
            assert data
            found = [header.last_offset for header, _ in iter_batches(data)]
            if not found:
                break  # a length under no checksum has rotted: the client sees a batch that is cut off
            assert max(found) >= offset
            offset = max(found) + 1
    for access in (
        lambda: partition.offset_for_timestamp(NOW + 7),
        lambda: partition.max_timestamp(),
        lambda: partition.retention(NOW),
        lambda: partition.append(batch(1), NOW),
    ):
        with contextlib.suppress(KafkaError):
            access()
    partition.epoch_end_offset(0)
    logs.close(clean=True)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_any_file_may_hold_any_bytes(data: st.DataObject, clean: bool) -> None:
    files = copied(FOLDERS[clean])
    path = data.draw(st.sampled_from(PATHS[clean]))
    content = bytearray(read_all(files, path))
    if data.draw(st.booleans()):
        content = bytearray(data.draw(st.binary(max_size=200)))
    elif content:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    files.remove(path)
    files.open(path).append(content)
    use(files)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.booleans())
def test_any_file_may_be_missing_or_cut(data: st.DataObject, clean: bool) -> None:
    files = copied(FOLDERS[clean])
    path = data.draw(st.sampled_from(PATHS[clean]))
    if data.draw(st.booleans()):
        files.remove(path)
    else:
        files.open(path).truncate(data.draw(st.integers(0, files.size(path))))
    use(files)


@given(st.binary(max_size=300))
def test_small_readers_take_anything(data: bytes) -> None:
    OffsetIndex.from_bytes(5, data, 1_000)
    TimeIndex.from_bytes(5, data)
    ProducerState.from_snapshot(data)
    Resume.from_bytes(data)
    LeaderEpochs.from_bytes(data)
    read_lines(data)
    read_marks(data)
    assert len(read_topic_id(data)) == 16


GOOD = bytes(batch(3, producer=Producer(1, 0, 0)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.booleans())
def test_a_client_may_send_anything(noise: bytes, start: int, end: int, internal: bool) -> None:
    import crc32c

    files = MemoryFiles()
    logs = Logs(files, lambda _: LogSettings(cleanup_policy=frozenset({"compact"})))
    logs.open_all(NOW)
    partition = logs.create("orders", 0, bytes(16), NOW)
    sent = bytearray(GOOD[:start] + noise + GOOD[end:])
    if len(sent) >= 61:  # let some of it pass the first two tests
        sent[8:12] = (len(sent) - 12).to_bytes(4, "big")
        sent[17:21] = crc32c.crc32c(sent[21:]).to_bytes(4, "big")
    try:
        appended = partition.append(memoryview(sent), NOW, internal=internal)
    except KafkaError:
        assert partition.log_end_offset == 0
        return
    assert appended.base_offset == 0
    assert len(partition.read(0, 1)) == len(sent)
    with contextlib.suppress(KafkaError):
        partition.offset_for_timestamp(0)
        partition.max_timestamp()


@given(st.binary(max_size=120), st.integers(0, 50), st.integers(0, 100))
def test_any_bytes_as_an_index_of_aborted_transactions(data: bytes, base: int, end: int) -> None:
    index = TransactionIndex.from_bytes(data, base, end)
    assert index is None or index.to_bytes()[2:] == data[2:] or len(index) > 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=8))
def test_an_index_of_aborted_transactions_comes_back(steps: list[tuple[int, int]]) -> None:
    index, end = TransactionIndex(), 0
    for producer_id, size in steps:
        index.append(AbortedTransaction(producer_id, end, end + size, end + size + 1))
        end += size + 1
    again = TransactionIndex.from_bytes(index.to_bytes(), 0, end)
    assert again is not None
    assert list(again) == list(index)


@given(st.lists(st.tuples(st.integers(0, 77), st.integers(0, 255)), max_size=4))
def test_a_marker_with_changed_bytes(changes: list[tuple[int, int]]) -> None:
    made = build_control_batch(ABORT, Producer(1, 0), coordinator_epoch=2, timestamp=NOW)
    for at, value in changes:
        made[at] = value
    with contextlib.suppress(CorruptMessage, InvalidRecord, KafkaError):
        found = read_marker(bytes(made))
        assert found is None or isinstance(found[0], bool)
