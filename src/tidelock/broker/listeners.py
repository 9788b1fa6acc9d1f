"""Which of the `listeners` of a `server.properties` is served: the first PLAINTEXT one for clients.

    first, *others = clients("CONTROLLER://:9093,PLAINTEXT://:9092", protocols_of(""), names_of(None))

A listener whose protocol is another is refused, not left out: who asks for TLS or SASL must not get a broker
without it. Pure; whatever is wrong is a ValueError, which the settings turn into a problem of their key.

Source: Kafka `SocketServerConfigs.listenerListToEndPoints`, `AbstractKafkaConfig` (4.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PLAINTEXT = "PLAINTEXT"
PROTOCOLS = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
DEFAULT_MAP = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"
DEFAULT_CONTROLLER = "CONTROLLER"
NO_SECURITY = "this broker has no TLS and no SASL, only PLAINTEXT"
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry: its name in capitals, its host ("" where none is named) and port."""

    name: str
    host: str
    port: int


def protocols_of(text: str) -> dict[str, str]:
    """Read `listener.security.protocol.map`: name of a listener -> its protocol.

    Raises:
        ValueError: it is no list of NAME:PROTOCOL.
    """
    found = {}
    for one in filter(None, map(str.strip, text.split(","))):
        name, _, protocol = (part.strip().upper() for part in one.rpartition(":"))
        if not name or protocol not in PROTOCOLS:
            raise ValueError(f"{one!r} is not NAME:PROTOCOL, with one of {', '.join(PROTOCOLS)}")
        found[name] = protocol
    return found


def problem_of_map(text: str) -> str | None:
    """Say what is wrong with `listener.security.protocol.map`."""
    try:
        protocols_of(text)
    except ValueError as error:
        return str(error)
    return None


def problem_of_protocol(text: str) -> str | None:
    """Say what is wrong with `security.inter.broker.protocol`."""
    return None if text == PLAINTEXT else f"{text!r}: {NO_SECURITY}"


def names_of(text: str | None) -> frozenset[str]:
    """Read `controller.listener.names`; without it, the name in Kafka's own files."""
    return frozenset(one.strip().upper() for one in (text or DEFAULT_CONTROLLER).split(","))


def clients(text: str, protocols: Mapping[str, str], controllers: frozenset[str]) -> list[Listener]:
    """Return the listeners for clients, the one that is served first.

    Args:
        text: `listeners`: NAME://HOST:PORT,...
        protocols: see `protocols_of`; a name that is a protocol's needs no entry.
        controllers: names of the controllers' listeners, in capitals.

    Raises:
        ValueError: there is none, it is not to be read, or one of them asks for TLS or SASL.
    """
    found = [one for one in _every(text) if one.name not in controllers]
    if not found:
        raise ValueError(f"{text!r} is for controllers only: add PLAINTEXT://HOST:PORT")
    for one in found:
        protocol = protocols.get(one.name, one.name if one.name in PROTOCOLS else None)
        if protocol is None:
            raise ValueError(f"{one.name} has no protocol: name it in listener.security.protocol.map")
        if protocol != PLAINTEXT:
            raise ValueError(f"{one.name} wants {protocol}: {NO_SECURITY}")
    return sorted(found, key=lambda one: one.name != PLAINTEXT)


def told(text: str, name: str) -> Listener:
    """Return the entry of `advertised.listeners` that belongs to the listener which is served.

    Raises:
        ValueError: there is none, or it is not to be read.
    """
    for one in _every(text):
        if one.name == name:
            return one
    raise ValueError(f"{text!r} says nothing of {name}, the listener that is served")


def _every(text: str) -> list[Listener]:
    return [_parsed(one.strip()) for one in text.split(",")]


def _parsed(text: str) -> Listener:
    name, _, place = text.rpartition("://")
    host, _, port = place.rpartition(":")
    if not name or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError(f"{text!r} is not PLAINTEXT://HOST:PORT")
    return Listener(name.upper(), host.strip("[]"), int(port))
