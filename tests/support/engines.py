"""Fixtures for the fetched engines; a test that asks for one skips, and says why, where they cannot run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.fetch import Engines, Unavailable, find
from tests.engines.kafka import ApacheKafka


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The folder of jars and the java that runs them."""
    try:
        return find()
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def apache_kafka(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One Apache Kafka node for the whole session; use topic and group names of your own."""
    with ApacheKafka(engines, tmp_path_factory.mktemp("apache-kafka")) as node:
        yield node
