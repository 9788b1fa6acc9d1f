import pytest
from kio.schema.errors import ErrorCode as TheirCode

from tidelock.protocol import error_codes
from tidelock.protocol.error_codes import BY_CODE, ErrorCode, KafkaError


def test_the_codes_and_their_retriable_flags_are_kafkas() -> None:
    known = [code for code in TheirCode if code != 0]
    assert len(known) > 130
    assert {code.name.upper(): int(code) for code in TheirCode}.items() <= {
        code.name: int(code) for code in ErrorCode
    }.items()
    assert {int(code): BY_CODE[code].retriable for code in known} == {
        int(code): code.retriable for code in known
    }


def test_every_class_knows_its_code_and_name() -> None:
    assert set(BY_CODE) == {int(code) for code in ErrorCode} - {0}
    for code, error in BY_CODE.items():
        assert (error.error_code, error.error_name) == (code, ErrorCode(code).name)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1, "OffsetOutOfRange"),
        (2, "CorruptMessage"),
        (6, "NotLeaderOrFollower"),
        (10, "RecordTooLarge"),
        (17, "InvalidTopic"),
        (56, "KafkaStorageError"),
    ],
)
def test_classes_are_named_as_in_kafka(code: int, name: str) -> None:
    assert getattr(error_codes, name) is BY_CODE[code]


def test_an_error_without_words_of_its_own_says_its_name() -> None:
    assert (
        str(error_codes.error_for(3, where="topic orders"))
        == "UNKNOWN_TOPIC_OR_PARTITION\n  at: topic orders"
    )
    assert error_codes.error_for(3).stale_metadata


def test_an_unknown_code_is_an_unknown_server_error_that_names_it() -> None:
    error = error_codes.error_for(9999)
    assert isinstance(error, KafkaError)
    assert error.error_code == -1
    assert "9999" in error.what
