import pytest

from tidelock.cli.alterations import Topic, Wanted, changes, problems, rows
from tidelock.client.admin import TopicConfig
from tidelock.errors import UsageError

TOPIC = Topic(
    "orders",
    3,
    {
        "retention.ms": TopicConfig("1000", is_own=True),
        "cleanup.policy": TopicConfig("delete", is_own=False),
        "secret": TopicConfig(None, is_own=False),
    },
)


def test_only_what_differs_is_a_change() -> None:
    wanted = Wanted({"retention.ms": "1000", "cleanup.policy": None}, partitions=3)
    assert changes(TOPIC, wanted) == {}
    assert list(rows(TOPIC, wanted)) == []


def test_an_own_setting_with_the_brokers_value_is_a_change() -> None:
    assert changes(TOPIC, Wanted({"cleanup.policy": "delete"})) == {"cleanup.policy": "delete"}


def test_a_secret_is_not_shown() -> None:
    (row,) = rows(TOPIC, Wanted({"secret": "new"}))
    assert row["before"] == "[hidden] (the broker's)"


def test_problems_name_the_nearest_setting_and_the_partitions_there_are() -> None:
    found = list(problems(TOPIC, Wanted({"retention.mss": "1", "nonsense": None}, partitions=2)))
    assert [(one.key, one.nearest) for one in found] == [
        ("retention.mss", "retention.ms"),
        ("nonsense", None),
        ("partitions", None),
    ]


@pytest.mark.parametrize(("assigned", "deleted"), [({}, ()), ({"retention.ms": "1"}, ("retention.ms",))])
def test_nothing_and_a_contradiction_are_wrong(assigned: dict[str, str], deleted: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Wanted.of(assigned, deleted, None)
