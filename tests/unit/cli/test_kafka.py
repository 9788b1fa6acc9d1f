"""What the broker refuses has an exit code; what is not settled yet is asked again."""

import pytest

from tidelock.cli import kafka
from tidelock.errors import TidelockError
from tidelock.protocol import error_codes as codes


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (codes.UnknownTopicOrPartition("This server does not host it."), 4),
        (codes.GroupIdNotFound(), 4),
        (codes.TopicAlreadyExists(), 6),
        (codes.InvalidConfig(), 2),
        (codes.TopicAuthorizationFailed(), 5),
        (codes.KafkaStorageError(), 1),
        (codes.UnknownServerError(), 1),
    ],
)
def test_outcomes_have_exit_codes(error: codes.KafkaError, exit_code: int) -> None:
    with pytest.raises(TidelockError) as caught, kafka.meaning("localhost:9092", "orders"):
        raise error
    assert caught.value.exit_code == exit_code


def test_the_text_names_the_topic_and_the_broker() -> None:
    with pytest.raises(kafka.NoSuchTopicError) as caught, kafka.meaning("localhost:9092", "orders"):
        raise codes.UnknownTopicOrPartition("This server does not host it.")
    assert str(caught.value) == (
        "this server does not host it\n  at: topic orders on localhost:9092\n  do: tidelock topic ls"
    )


def test_what_is_not_settled_is_asked_again() -> None:
    answers = [codes.CoordinatorLoadInProgress(), codes.NotCoordinator()]

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "found"

    assert kafka.settled(ask) == "found"


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "PATIENCE", 0.0)

    def ask() -> None:
        raise codes.CoordinatorNotAvailable

    with pytest.raises(kafka.BrokerNotReadyError, match="COORDINATOR_NOT_AVAILABLE"):
        kafka.settled(ask)
