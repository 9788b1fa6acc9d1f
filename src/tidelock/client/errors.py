"""What can go wrong between us and a Kafka cluster, in the house's own errors.

    KafkaError               the broker answered with an error code (tidelock.protocol.error_codes)
    BrokerUnreachable        nobody answers, or not in time
    LoginRefused             the broker does not accept our credentials or certificate
    DamagedRecords           what the broker has on its disk cannot be read
    ClientFailed             librdkafka cannot go on

librdkafka's errors are translated here and nowhere else; clients call `translated` at each seam.
"""

from __future__ import annotations

from typing import Protocol

from tidelock.errors import RefusedError, TidelockError, UnreachableError
from tidelock.protocol.error_codes import UnknownTopicOrPartition, error_for

UP_HINT = "tidelock up broker, or name another one with --bootstrap"


class BrokerUnreachable(UnreachableError):
    """No broker answers at the bootstrap address, or not in time."""

    code = "TID-270"


class LoginRefused(RefusedError):
    """The broker accepts neither our credentials nor our certificate, or we do not accept its certificate."""

    code = "TID-271"


class DamagedRecords(TidelockError):
    """A record batch on the broker's disk is damaged: trying again gives the same bytes."""

    code = "TID-273"


class ClientFailed(TidelockError):
    """librdkafka cannot go on: a fatal error, or one that is none of Kafka's."""

    code = "TID-272"


class LibraryError(Protocol):
    """What we need of confluent_kafka.KafkaError."""

    def code(self) -> int:
        """Kafka's error code, or a negative one of librdkafka's own."""

    def name(self) -> str:
        """The code's name."""

    def str(self) -> str:
        """The code in words."""


_UNREACHABLE = frozenset(
    (
        "_TRANSPORT",
        "_ALL_BROKERS_DOWN",
        "_TIMED_OUT",
        "_MSG_TIMED_OUT",
        "_RESOLVE",
        "_WAIT_COORD",
        "_TIMED_OUT_QUEUE",
    )
)
_UNKNOWN_TOPIC = frozenset(("_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"))
_LOGIN = frozenset(("_AUTHENTICATION", "_SSL"))


def translated(error: LibraryError, where: str | None = None) -> TidelockError:
    """Return our error for one of librdkafka's.

    Args:
        error: as reported in a callback, a message, or `KafkaException.args[0]`.
        where: the topic, partition, group or address it happened at.
    """
    words = error.str()
    if error.code() > 0:
        return error_for(error.code(), words.removeprefix("Broker: "), where=where)
    name = error.name()
    words = words.removeprefix("Local: ")
    if name in _UNREACHABLE:
        return BrokerUnreachable(f"the broker does not answer: {words}", where=where, hint=UP_HINT)
    if name in _UNKNOWN_TOPIC:
        return UnknownTopicOrPartition(words, where=where)
    if name in _LOGIN:
        return LoginRefused(words, where=where, hint="check security.protocol, sasl.* and ssl.*")
    return ClientFailed(words, where=where)
