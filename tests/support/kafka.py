"""A Kafka for tests that must hold on ours and on Apache's alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess


@pytest.fixture(scope="session")
def tidelock_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker of ours for the whole session; use topic and group names of your own."""
    with BrokerProcess(tmp_path_factory.mktemp("tidelock-broker") / "data") as broker:
        yield broker


@pytest.fixture(params=["tidelock", pytest.param("apache", marks=pytest.mark.needs_kafka)])
def kafka(request: pytest.FixtureRequest) -> ApacheKafka | BrokerProcess:
    """Our broker, and then Apache Kafka; both have `bootstrap`."""
    name = "tidelock_broker" if request.param == "tidelock" else "apache_kafka"
    found: ApacheKafka | BrokerProcess = request.getfixturevalue(name)
    return found
