"""The one place where confluent_kafka is loaded and its clients are made.

It is imported when the first client is made: 30 ms that `--help` does not need. Its log lines go to the
logger `tidelock.client.librdkafka`, silent unless the application configures logging. Before a client is
made, a plain TCP connection asks whether anybody listens, so that an absent broker is told at once and not
after librdkafka's endless retries.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tidelock.client.errors import UP_HINT, BrokerUnreachable, translated
from tidelock.client.settings import ClientSettings
from tidelock.config import ConfigError, Problem
from tidelock.errors import UsageError

log = logging.getLogger("tidelock.client.librdkafka")
log.addHandler(logging.NullHandler())

CONNECT_TIMEOUT = 3.0
DEFAULT_PORT = 9092


def load() -> ModuleType:
    """Return confluent_kafka."""
    import confluent_kafka  # see the module docstring

    return confluent_kafka


def warm_up() -> None:
    """Have librdkafka and OpenSSL make what they make once per process, and leave no client and no thread.

    For a process that forks others, which then share it.
    """
    load().Consumer({"group.id": "none", "log_level": 0}).close()


def make(kind: Callable[..., Any], settings: ClientSettings, properties: Mapping[str, Any]) -> Any:
    """Make a client of librdkafka.

    Raises:
        BrokerUnreachable: nobody listens at any bootstrap address.
        ConfigError: librdkafka refuses a value.
    """
    somebody_listens(settings.bootstrap)
    library = load()
    try:
        return kind(dict(properties), logger=log)
    except library.KafkaException as error:
        why = error.args[0].str() if error.args else str(error)
        raise ConfigError((Problem("client", "", why),), where=settings.bootstrap) from None
    except (ValueError, TypeError) as error:
        raise ConfigError((Problem("client", "", str(error)),), where=settings.bootstrap) from None


@contextmanager
def translating(where: str | None) -> Iterator[None]:
    """Turn what confluent_kafka raises into errors of the house.

    Raises:
        TidelockError: see tidelock.client.errors.
    """
    library = load()
    try:
        yield
    except library.KafkaException as error:
        raise translated(error.args[0], where) from None
    except TimeoutError:
        raise BrokerUnreachable("the broker does not answer in time", where=where, hint=UP_HINT) from None


def addresses(bootstrap: str) -> list[tuple[str, int]]:
    """Return (host, port) of each address in `bootstrap`.

    Raises:
        UsageError: an address is not HOST:PORT.
    """
    found = []
    for part in bootstrap.split(","):
        address = part.strip().rpartition("://")[2]
        host, colon, port = address.rpartition(":")
        if not colon or address.endswith("]"):
            host, port = address, str(DEFAULT_PORT)
        if not host or not port.isdigit():
            raise UsageError(f"{part.strip()!r} is not HOST:PORT", where="bootstrap.servers")
        found.append((host.strip("[]"), int(port)))
    return found


def somebody_listens(bootstrap: str, timeout: float = CONNECT_TIMEOUT) -> None:
    """Return when one of the bootstrap addresses accepts a connection.

    Args:
        bootstrap: HOST:PORT, several by commas.
        timeout: seconds for each.

    Raises:
        BrokerUnreachable: none does.
        UsageError: an address is not HOST:PORT.
    """
    reason = ""
    for host, port in addresses(bootstrap):
        try:
            socket.create_connection((host, port), timeout=timeout).close()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        else:
            return
    raise BrokerUnreachable(f"no broker answers: {reason}", where=bootstrap, hint=UP_HINT)
