"""What `up` gives its parts beyond their own defaults."""

from typing import Any, cast

import pytest

from tidelock.broker import Broker
from tidelock.cli.up.control import Job
from tidelock.cli.up.services import broker


@pytest.mark.parametrize(
    ("given", "policy"), [({}, "group"), ({"tidelock.flush.policy": "os"}, "os"), ({"node.id": "3"}, "group")]
)
def test_what_the_broker_acknowledges_is_durable_unless_it_is_told_otherwise(
    given: dict[str, str], policy: str
) -> None:
    service, _ = broker(Job("broker", "", 0, "/data", given), cast("Any", None))
    assert isinstance(service, Broker)
    assert (service.settings.tidelock_flush_policy, service.settings.log_dirs) == (policy, "/data/broker")


@pytest.mark.parametrize("key", ["log.dir", "log.dirs"])
def test_a_folder_of_its_own_is_taken_under_both_of_kafkas_names(key: str) -> None:
    service, _ = broker(Job("broker", "", 0, "/data", {key: "/kafka"}), cast("Any", None))
    assert isinstance(service, Broker)
    assert service.settings.log_dirs == "/kafka"
