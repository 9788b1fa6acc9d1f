import pytest

from tests.unit.connect.runtime.fakes import FakeProducer
from tidelock.client import Outgoing
from tidelock.config import ConfigError
from tidelock.connect.runtime.kafka import CreatingProducer
from tidelock.connect.runtime.topic_creation import NewTopic, topic_creation

GOOD = {
    "topic.creation.groups": "compacted, logs",
    "topic.creation.default.partitions": "4",
    "topic.creation.default.replication.factor": "-1",
    "topic.creation.default.retention.ms": "1000",
    "topic.creation.compacted.include": "state-.*, table",
    "topic.creation.compacted.exclude": "state-x",
    "topic.creation.compacted.partitions": "1",
    "topic.creation.compacted.cleanup.policy": "compact",
    "topic.creation.logs.include": ".*log",
}


def test_the_first_group_that_matches_decides() -> None:
    made = topic_creation(GOOD)
    assert made is not None
    compacted = NewTopic(1, -1, {"cleanup.policy": "compact"})
    assert made.topic("state-a") == made.topic("table") == made.topic("state-log") == compacted
    assert made.topic("alog") == NewTopic(4, -1, {})
    assert made.topic("state-x") == made.topic("tables") == NewTopic(4, -1, {"retention.ms": "1000"})


def test_without_keys_the_broker_makes_topics() -> None:
    assert topic_creation({"topic": "t"}) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("topic.creation.default.partitions", None),
        ("topic.creation.default.replication.factor", "0"),
        ("topic.creation.default.partitions", "many"),
        ("topic.creation.compacted.partitions", "-2"),
        ("topic.creation.compacted.include", None),
        ("topic.creation.logs.include", "("),
    ],
)
def test_each_mistake_is_found_at_its_key(key: str, value: str | None) -> None:
    config = {name: text for name, text in {**GOOD, key: value}.items() if text is not None}
    with pytest.raises(ConfigError) as caught:
        topic_creation(config)
    assert [one.key for one in caught.value.problems] == [key]


def test_a_topic_is_made_before_its_first_record() -> None:
    producer, made = FakeProducer(), list[str]()
    creating = CreatingProducer(producer, lambda topic: made.append(f"{topic} after {len(producer.sent)}"))
    for topic in ("a", "a", "b"):
        creating.send(topic, Outgoing(None, b"v"), lambda: None)
    assert made == ["a after 0", "b after 2"]
    assert len(producer.sent) == 3
