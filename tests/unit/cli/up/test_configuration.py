"""Settings of the parts: where a name goes, and what is said when it goes nowhere."""

from pathlib import Path

import pytest

from tidelock.cli.up.configuration import gathered, split
from tidelock.config import ConfigError
from tidelock.errors import UsageError


def test_an_assignment_is_cut_at_the_first_equals_sign() -> None:
    assert split("broker.a.b = x=y ") == ("broker.a.b", "x=y")


@pytest.mark.parametrize("text", ["broker", "=4", " =4"])
def test_an_assignment_needs_a_name_and_a_value(text: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        split(text)


def test_a_name_without_a_part_is_told_the_parts() -> None:
    with pytest.raises(ConfigError) as caught:
        gathered(["num.partitions=4", "brokr.num.partitions=4"], None)
    assert [problem.nearest for problem in caught.value.problems] == [None, "broker.num.partitions"]
    assert "must start with registry., broker., connect." in str(caught.value)


def test_a_kafka_brokers_own_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("process.roles=broker,controller\nbroker.rack=a\nnum.io.threads=8\nnum.partitions=1\n")
    found = gathered(["broker.num.partitions=2"], file)
    assert found == {
        "broker": {
            "process.roles": "broker,controller",
            "broker.rack": "a",
            "num.io.threads": "8",
            "num.partitions": "2",
        }
    }


def test_problems_of_a_kafka_brokers_own_file_have_its_names(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("node.id=1\nnum.io.thread=8\nlog.retention.hour=1\nzookeeper.connect=localhost:2181\n")
    with pytest.raises(ConfigError) as caught:
        gathered(["broker.log.dir=a,b", "broker.num.partitions=x"], file)
    told = {one.key: (one.why, one.nearest) for one in caught.value.problems}
    assert told["num.io.thread"] == ("is not a known key", None)
    assert told["log.retention.hour"] == ("is not a known key", "log.retention.hours")
    assert "without ZooKeeper" in told["zookeeper.connect"][0]
    assert {"broker.log.dir", "broker.num.partitions"} <= told.keys()
