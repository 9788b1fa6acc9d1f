"""Our clients against our broker and, where it has been fetched, against Apache Kafka."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from tests.support.broker import BrokerProcess

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def client_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """Our broker for the whole session; use names of your own."""
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data") as broker:
        yield broker
        assert broker.errors() == ""


@pytest.fixture(params=["tidelock", pytest.param("apache", marks=pytest.mark.needs_kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    name = "client_broker" if request.param == "tidelock" else "apache_kafka"
    found: str = request.getfixturevalue(name).bootstrap
    return found


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make a topic or group name that no other test uses."""
    return lambda stem: f"{stem}-{os.getpid()}-{next(_numbers)}"
