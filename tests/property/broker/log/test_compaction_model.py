"""Compaction equals a naive model, whatever is written, and a pass may be killed at any of its steps.

The model keeps, of everything before the end of a pass, the last record of each key; a tombstone stays until
delete.retention.ms after the first pass that met it. Whenever the process or the machine dies inside a pass,
what a table made of the log holds is the same as before.
"""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.compaction import (
    KEY,
    START_MS,
    Kept,
    Killed,
    StoppingFiles,
    append,
    compact,
    everything,
    folder,
    last_of_each,
)
from tests.support.logs import flush_all
from tidelock.broker.log import LogSettings, MemoryFiles, keep_everything, keep_nothing
from tidelock.broker.log.transactions import Marker
from tidelock.protocol.records import Producer, Record, build_batch

RETENTION_MS = 1_000
SMALL = LogSettings(
    segment_bytes=600,
    index_interval_bytes=100,
    cleanup_policy=frozenset({"compact"}),
    delete_retention_ms=RETENTION_MS,
    min_cleanable_dirty_ratio=0.0,
)
pairs = st.tuples(
    st.sampled_from([b"a", b"b", b"c", b"d", b"e" * 40]), st.none() | st.binary(min_size=0, max_size=40)
)
batches = st.lists(
    st.tuples(st.lists(pairs, min_size=1, max_size=5), st.sampled_from([0, 1, 2, 3, 4])), max_size=25
)
rounds = st.lists(st.tuples(batches, st.sampled_from([0, 10, RETENTION_MS + 1])), min_size=1, max_size=5)


class Model:
    """The naive way."""

    def __init__(self) -> None:
        self.records: list[Kept] = []
        self.met: dict[int, int] = {}

    def compact(self, end: int, now_ms: int) -> None:
        last = {one.key: one.offset for one in self.records if one.offset < end}
        kept = []
        for one in self.records:
            stays = one.offset >= end or last[one.key] == one.offset
            if stays and one.offset < end and one.value is None:
                over_at = self.met.setdefault(one.offset, now_ms) + RETENTION_MS
                stays = over_at > now_ms or self.met[one.offset] == now_ms
            if stays:
                kept.append(one)
        self.records = kept


@given(rounds)
@settings(max_examples=150, deadline=None)
def test_equals_the_naive_model(
    plan: list[tuple[list[tuple[list[tuple[bytes, bytes | None]], int]], int]],
) -> None:
    files, model, now = MemoryFiles(), Model(), START_MS
    logs = folder(files, SMALL)
    for written, wait in plan:
        for content, codec in written:
            partition = logs.get(*KEY)
            first = partition.log_end_offset
            append(partition, content, now, codec)
            model.records += [Kept(first + n, k, v, now + n) for n, (k, v) in enumerate(content)]
            now += 1
        flush_all(logs)
        end = compact(logs, now, files)
        if end is not None:
            model.compact(end, now)
        assert everything(logs.get(*KEY)) == model.records
        now += wait + 1
        assert logs.close(clean=wait == 0) == []
        logs = folder(files, SMALL, now)
        assert everything(logs.get(*KEY)) == model.records


@given(batches.filter(len), batches, st.integers(0, 60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_killed_at_any_step(
    first: list[tuple[list[tuple[bytes, bytes | None]], int]],
    second: list[tuple[list[tuple[bytes, bytes | None]], int]],
    steps: int,
    power_loss: bool,
) -> None:
    files, now = StoppingFiles(), START_MS
    logs = folder(files, SMALL)
    for part in (first, second):
        for content, codec in part:
            append(logs.get(*KEY), content, now, codec)
            now += 1
        flush_all(logs)
        files.left = steps
        before = everything(logs.get(*KEY))
        try:
            compact(logs, now, files)
        except Killed:
            files.left = None
            files.crash(keep_nothing if power_loss else keep_everything)
            logs = folder(files, SMALL, now)
        files.left = None
        after = everything(logs.get(*KEY))
        assert set(after) <= set(before)
        assert last_of_each(after) == last_of_each(before)
        assert [one.offset for one in after] == sorted(one.offset for one in after)
    compact(logs, now, files)
    assert not [name for name in files.list("orders-0") if name.endswith((".cleaned", ".swap"))]


def test_every_step_of_one_pass_is_killed_once() -> None:
    for power_loss in (False, True):
        steps, alive = 0, False
        while not alive:
            files = StoppingFiles()
            logs = folder(files, SMALL)
            for number in range(60):
                append(logs.get(*KEY), [(b"%d" % (number % 7), b"v" * 30 or None)], START_MS + number)
            flush_all(logs)
            before = last_of_each(everything(logs.get(*KEY)))
            files.left = steps
            try:
                compact(logs, START_MS + 100, files)
                alive = True
            except Killed:
                files.left = None
                files.crash(keep_nothing if power_loss else keep_everything)
                logs = folder(files, SMALL)
            assert last_of_each(everything(logs.get(*KEY))) == before
            steps += 1
        assert steps > 20


def test_a_compacted_log_stays_readable_when_its_policy_changes() -> None:
    files = MemoryFiles()
    logs = folder(files, SMALL)
    for number in range(60):
        append(logs.get(*KEY), [(b"%d" % (number % 7), b"v" * 30)], START_MS + number)
    flush_all(logs)
    assert compact(logs, START_MS + 100, files) is not None
    kept = everything(logs.get(*KEY))
    assert len(kept) < 40
    for name in files.list("orders-0"):
        if name.endswith(".snapshot"):  # have the next start scan from the beginning
            files.remove(f"orders-0/{name}")
    files.crash(keep_everything)
    plain = dataclasses.replace(SMALL, cleanup_policy=frozenset({"delete"}), retention_ms=-1)
    assert everything(folder(files, plain).get(*KEY)) == kept


def test_aborted_records_replace_nothing_and_go() -> None:
    files = MemoryFiles()
    logs = folder(files, SMALL)
    log = logs.get(*KEY)
    append(log, [(b"a", b"committed")], START_MS)
    for value, commit in ((b"aborted", False), (b"later", True)):
        producer = Producer(7, 0, 0 if not commit else 1)
        record = Record(0, START_MS, b"a" if not commit else b"b", value)
        log.append(memoryview(build_batch([record], producer=producer, transactional=True)), START_MS)
        log.append_marker(Marker(7, 0, commit, 0), START_MS)
    for number in range(20):
        append(log, [(b"filler %d" % number, b"v" * 100)], START_MS)
    flush_all(logs)
    assert compact(logs, START_MS, files) is not None
    for _ in range(2):
        found = {
            one.key: one.value for one in everything(log) if one.key and not one.key.startswith(b"filler")
        }
        assert {key: value for key, value in found.items() if len(key) == 1} == {
            b"a": b"committed",
            b"b": b"later",
        }
        files.crash(keep_everything)
        logs = folder(files, SMALL)
        log = logs.get(*KEY)
        assert log.aborted_in(0, log.read(0, 5_000)) == [(7, 1)]
