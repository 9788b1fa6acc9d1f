"""Settings of the parts: where a name goes, and what is said when it goes nowhere."""

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
