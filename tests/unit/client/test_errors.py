import pytest
from confluent_kafka import KafkaError

from tidelock.client.errors import BrokerUnreachable, ClientFailed, LoginRefused, translated
from tidelock.errors import TidelockError
from tidelock.protocol import error_codes


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        (KafkaError._TRANSPORT, BrokerUnreachable, 3),
        (KafkaError._ALL_BROKERS_DOWN, BrokerUnreachable, 3),
        (KafkaError._MSG_TIMED_OUT, BrokerUnreachable, 3),
        (KafkaError._UNKNOWN_TOPIC, error_codes.UnknownTopicOrPartition, 4),
        (KafkaError._AUTHENTICATION, LoginRefused, 5),
        (KafkaError._FATAL, ClientFailed, 1),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, error_codes.UnknownTopicOrPartition, 4),
        (KafkaError.TOPIC_ALREADY_EXISTS, error_codes.TopicAlreadyExists, 6),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, error_codes.TopicAuthorizationFailed, 5),
        (KafkaError.MSG_SIZE_TOO_LARGE, error_codes.MessageTooLarge, 2),
        (KafkaError.ILLEGAL_GENERATION, error_codes.IllegalGeneration, 1),
    ],
)
def test_librdkafkas_errors_become_ours(code: int, kind: type[TidelockError], exit_code: int) -> None:
    error = translated(KafkaError(code), "topic orders")
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert error.where == "topic orders"
    assert not error.what.startswith(("Broker: ", "Local: "))


def test_an_unreachable_broker_says_what_to_do() -> None:
    assert (translated(KafkaError(KafkaError._TRANSPORT)).hint or "").startswith("tidelock up broker")
