from tidelock.connect.api import RecordBatch, TopicPartition
from tidelock.connect.runtime.progress import CommitClock, SinkProgress, SourceProgress, lag_of
from tidelock.connect.runtime.rates import Meter, Speed

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
    progress.acknowledged(second, 1)
    assert progress.take() == []
    progress.acknowledged(first, 1)
    assert not progress.has_safe
    assert progress.in_flight == 1
    progress.acknowledged(first, 1)
    assert progress.has_safe
    assert progress.take() == [({"p": 1}, {"o": 2}), ({"p": 2}, {"o": 1})]
    assert progress.take() == []


def test_a_poll_without_records_waits_for_those_before_it() -> None:
    progress = SourceProgress()
    first = progress.submitted(1, [({"p": 1}, {"o": 1})])
    progress.submitted(0, [({"p": 1}, {"o": 2})])
    assert progress.take() == []
    progress.acknowledged(first, 1)
    assert progress.take() == [({"p": 1}, {"o": 2})]


def test_the_lag_is_what_lies_beyond_the_position() -> None:
    p0, p1, p2 = (TopicPartition("t", number) for number in range(3))
    lag, rows = lag_of({p0: 5, p1: 9}, {p0: 8, p1: 9, p2: 4})
    assert lag == 3
    assert [(row["partition"], row["lag"]) for row in rows] == [(0, 3), (1, 0), (2, None)]
    assert lag_of({}, {p2: 4}, {p2}) == (
        0,
        [{"topic": "t", "partition": 2, "position": 4, "end": 4, "lag": 0}],
    )
    assert lag_of({}, {}) == (None, [])


def test_the_speed_of_the_last_seconds_and_the_time_to_the_end() -> None:
    meter = Meter()
    assert meter.sample(0.0, 0, 1000) == Speed(0.0, None)
    assert meter.sample(1.0, 100, 950) == Speed(100.0, 19.0)  # 50 a second come in
    assert meter.sample(2.0, 200, 1000).eta is None  # as many as are taken
    for second in range(3, 40):
        speed = meter.sample(float(second), 200 + 10 * (second - 2), 0)
    assert (round(speed.rate), speed.eta) == (10, 0.0)
