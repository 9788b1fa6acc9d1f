from tidelock.connect.api import RecordBatch, TopicPartition
from tidelock.connect.runtime.progress import CommitClock, SinkProgress, SourceProgress

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def batch(partition: int, *offsets: int) -> RecordBatch:
    return RecordBatch("t", partition, offsets, [None] * len(offsets), [None] * len(offsets))


def test_a_commit_is_due_at_the_interval_or_sooner_when_idle() -> None:
    commits = CommitClock(interval=10, last=100)
    assert not commits.is_due(109, idle=False)
    assert commits.is_due(110, idle=False)
    assert not commits.is_due(100.9, idle=True)
    assert commits.is_due(101, idle=True)


def test_only_what_changed_is_committed() -> None:
    progress = SinkProgress()
    progress.delivered(batch(0, 1, 2))
    progress.delivered(batch(1, 7))
    assert progress.to_commit() == {P0: 3, P1: 8}
    assert progress.to_commit([P1]) == {P1: 8}
    progress.commit_done({P0: 3})
    assert progress.to_commit() == {P1: 8}
    progress.forget([P1])
    assert progress.to_commit() == {}
    assert progress.records == 3


def test_a_source_offset_waits_for_all_records_before_it() -> None:
    progress = SourceProgress()
    first = progress.submitted(2, [({"p": 1}, {"o": 1}), ({"p": 2}, {"o": 1})])
    second = progress.submitted(1, [({"p": 1}, {"o": 2})])
    progress.acknowledged(second)
    assert progress.take() == []
    progress.acknowledged(first)
    assert not progress.has_safe
    assert progress.in_flight == 1
    progress.acknowledged(first)
    assert progress.has_safe
    assert progress.take() == [({"p": 1}, {"o": 2}), ({"p": 2}, {"o": 1})]
    assert progress.take() == []


def test_a_poll_without_records_waits_for_those_before_it() -> None:
    progress = SourceProgress()
    first = progress.submitted(1, [({"p": 1}, {"o": 1})])
    progress.submitted(0, [({"p": 1}, {"o": 2})])
    assert progress.take() == []
    progress.acknowledged(first)
    assert progress.take() == [({"p": 1}, {"o": 2})]
