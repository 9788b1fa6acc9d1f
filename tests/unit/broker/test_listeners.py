"""Which listener is served: one of PLAINTEXT for clients; what asks for more is refused."""

from __future__ import annotations

import random
import socket
from typing import cast

import pytest

from tidelock.broker.listeners import Listener, protocols_of
from tidelock.broker.server import _listeners, _told
from tidelock.broker.settings import BrokerSettings
from tidelock.config import ConfigError
from tidelock.errors import UsageError

MAP = "listener.security.protocol.map"


class Bound:
    """As much of a bound socket as is asked."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        return self._name


def told(port: int, **given: str) -> tuple[str, int]:
    settings = BrokerSettings.parse({name.replace("_", "."): value for name, value in given.items()})
    return _told(settings, cast("socket.socket", Bound(port)))


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ({}, Listener("PLAINTEXT", "127.0.0.1", 9092)),
        ({"listeners": "CONTROLLER://:9093, plaintext://:9092"}, Listener("PLAINTEXT", "", 9092)),
        (
            {"listeners": "CONTROLLER://:9093,BROKER://h:9092", MAP: "BROKER:PLAINTEXT"},
            Listener("BROKER", "h", 9092),
        ),
        (
            {
                "listeners": "QUORUM://:9093,IN://:1,PLAINTEXT://[::1]:2",
                MAP: "in:plaintext, QUORUM:SSL",
                "controller.listener.names": "quorum",
            },
            Listener("PLAINTEXT", "::1", 2),
        ),
    ],
)
def test_what_is_served(given: dict[str, str], served: Listener) -> None:
    assert _listeners(BrokerSettings.parse(given))[0] == served


@pytest.mark.parametrize(
    ("given", "key", "why"),
    [
        ({"listeners": "EXTERNAL://0.0.0.0:1", MAP: "EXTERNAL:SASL_PLAINTEXT"}, "listeners", "no SASL"),
        ({"listeners": "PLAINTEXT://0.0.0.0:1", MAP: "PLAINTEXT:SSL"}, "listeners", "wants SSL"),
        ({"listeners": "SASL_SSL://:9093,PLAINTEXT://:9092"}, "listeners", "wants SASL_SSL"),
        ({"listeners": "SSL://:9093"}, "listeners", "wants SSL"),
        ({"listeners": "CONTROLLER://:9093"}, "listeners", "for controllers only"),
        ({"controller.listener.names": "PLAINTEXT"}, "listeners", "for controllers only"),
        ({"listeners": "CONTROLLER://:9093", "controller.listener.names": "C"}, "listeners", "no protocol"),
        ({"listeners": "BROKER://:9092"}, "listeners", "no protocol"),
        ({"listeners": "127.0.0.1:9092"}, "listeners", "is not PLAINTEXT://HOST:PORT"),
        ({"listeners": "PLAINTEXT://127.0.0.1:99999"}, "listeners", "is not PLAINTEXT://HOST:PORT"),
        ({"listeners": ""}, "listeners", "is not PLAINTEXT://HOST:PORT"),
        ({"security.inter.broker.protocol": "SASL_SSL"}, "security.inter.broker.protocol", "no SASL"),
        ({MAP: "EXTERNAL=SSL"}, MAP, "is not NAME:PROTOCOL"),
        ({MAP: "EXTERNAL:TLS"}, MAP, "is not NAME:PROTOCOL"),
        ({"advertised.listeners": "IN://h:1"}, "advertised.listeners", "says nothing of PLAINTEXT"),
        ({"advertised.listeners": "PLAINTEXT://h"}, "advertised.listeners", "is not PLAINTEXT://HOST:PORT"),
    ],
)
def test_what_is_refused(given: dict[str, str], key: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        BrokerSettings.parse(given)
    assert [problem.key for problem in refused.value.problems] == [key]


def test_settings_that_nobody_parsed_open_nothing_either() -> None:
    with pytest.raises(UsageError, match="wants SSL"):
        _listeners(BrokerSettings(listeners="SSL://:9093"))
    with pytest.raises(UsageError, match="says nothing of PLAINTEXT"):
        _told(BrokerSettings(advertised_listeners="IN://h:1"), cast("socket.socket", Bound(1)))


def test_clients_are_told_the_entry_of_the_listener_that_is_served() -> None:
    both = "CONTROLLER://c:9093,PLAINTEXT://b:9092"
    assert told(9092, listeners=both, advertised_listeners=both) == ("b", 9092)


def test_a_port_that_is_not_the_one_of_the_file_is_told_as_it_is() -> None:
    stock = {"listeners": "PLAINTEXT://:9092", "advertised_listeners": "PLAINTEXT://localhost:9092"}
    assert told(19000, **stock) == ("localhost", 19000)
    assert told(19000, advertised_listeners="PLAINTEXT://gateway:4711") == ("gateway", 4711)
    assert told(19000, advertised_listeners="PLAINTEXT://gateway:0") == ("gateway", 19000)
    assert told(19000, listeners="PLAINTEXT://localhost:0") == ("localhost", 19000)
    assert told(19000) == ("127.0.0.1", 19000)


def test_no_text_breaks_the_rules() -> None:
    random_ = random.Random(7)
    pieces = [
        "PLAINTEXT",
        "SSL",
        "CONTROLLER",
        "://",
        ":",
        ",",
        "[::1]",
        "9092",
        "-1",
        "é",
        "٣",
        " ",
        "\0",
        "h",
    ]
    for _ in range(3000):
        text = "".join(random_.choices(pieces, k=random_.randint(0, 9)))
        for key in ("listeners", "advertised.listeners", MAP, "controller.listener.names"):
            values, problems = BrokerSettings.examine({key: text})
            assert {one.key for one in problems} <= {key, "listeners"}
            if not problems:
                settings = BrokerSettings(**values)
                protocols = protocols_of(settings.listener_security_protocol_map)
                served = _listeners(settings)[0]
                assert protocols.get(served.name, served.name) == "PLAINTEXT"
                assert 0 <= served.port <= 65_535
