"""The Kafka that a test talks to: our broker, Apache's, or one that somebody gives.

    pytest                            ours; what asks for `bootstrap` (quick ones) on Apache Kafka as well
    pytest --kafka both               what asks for `kafka` too, which takes minutes
    pytest --kafka apache             all that speak Kafka on Apache Kafka: the original checks the tests
    pytest --kafka tidelock           ours alone
    pytest --bootstrap HOST:PORT      a cluster that runs already; the topics stay

A test that looks inside our broker, or wants what is different on purpose, says so: `needs_tidelock(reason)`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import pytest

from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess

CHOICES = ("quick", "both", "tidelock", "apache")


class Kafka(Protocol):
    """A cluster that answers at `bootstrap`."""

    @property
    def bootstrap(self) -> str: ...


class MortalKafka(Kafka, AbstractContextManager["MortalKafka"], Protocol):
    """One node of the test's own, that comes back on the same port and data."""

    def start(self) -> Self: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Given:
    """A cluster that somebody else runs."""

    bootstrap: str


NewKafka = Callable[..., MortalKafka]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kafka")
    group.addoption("--kafka", choices=CHOICES, default="quick", help="whose broker the tests speak to")
    group.addoption("--bootstrap", metavar="HOST:PORT", help="a cluster that the tests speak to instead")


def chosen(config: pytest.Config) -> str:
    return "given" if config.getoption("--bootstrap") else str(config.getoption("--kafka"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kafka" in metafunc.fixturenames:
        apache = pytest.param("apache", marks=pytest.mark.needs_kafka)
        which = chosen(metafunc.config)
        both = which == "both" or (which == "quick" and "bootstrap" in metafunc.fixturenames)
        params = ["tidelock", apache] if both else [{"quick": "tidelock", "apache": apache}.get(which, which)]
        metafunc.parametrize("kafka", params, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("needs_tidelock")
        if mark is not None and chosen(config) in ("apache", "given"):
            item.add_marker(pytest.mark.skip(reason=f"needs our broker: {mark.args[0]}"))
        if mark is None and "our_broker" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(
                f"{item.nodeid}: asks for our broker, without a reason. Take `any_kafka`, or mark it"
                " needs_tidelock(reason)."
            )


def named(request: pytest.FixtureRequest, which: str) -> Kafka:
    if which == "given":
        return Given(request.config.getoption("--bootstrap"))
    found: Kafka = request.getfixturevalue("apache_kafka" if which == "apache" else "our_broker")
    return found


@pytest.fixture(scope="session")
def our_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker of ours for the whole session, for tests that look inside; use names of your own."""
    with BrokerProcess(tmp_path_factory.mktemp("our-broker") / "data") as broker:
        yield broker
        assert broker.errors() == ""


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> Kafka:
    """Our broker, or the one that the command line names; with `--kafka both` ours, then Apache Kafka."""
    return named(request, request.param)


@pytest.fixture
def bootstrap(kafka: Kafka) -> str:
    """Our broker, and then Apache Kafka: for what is quick."""
    return kafka.bootstrap


@pytest.fixture(scope="session")
def any_kafka(request: pytest.FixtureRequest) -> Kafka:
    """Our broker, or the one that the command line names: never both."""
    return named(request, chosen(request.config))


@pytest.fixture
def new_kafka(request: pytest.FixtureRequest, tmp_path: Path) -> NewKafka:
    """Make a node of the test's own, of the kind of `any_kafka`, with its data in `tmp_path / "data"`."""
    which = chosen(request.config)
    if which == "given":
        pytest.skip("needs a broker that it may kill")

    def make(settings: Mapping[str, str] | None = None) -> MortalKafka:
        if which == "apache":
            return ApacheKafka(request.getfixturevalue("engines"), tmp_path, properties=settings)
        return BrokerProcess(tmp_path / "data", settings)

    return make


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make a topic or group name that no other test uses, in no other run."""
    start = secrets.token_hex(4)  # a cluster that is given keeps the topics of earlier runs
    numbers = itertools.count(1)
    return lambda stem: f"{stem}-{start}-{next(numbers)}"
