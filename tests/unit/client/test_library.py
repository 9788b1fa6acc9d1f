import pytest

from tidelock.client.library import addresses
from tidelock.errors import UsageError


@pytest.mark.parametrize(
    ("bootstrap", "expected"),
    [
        ("localhost:9092", [("localhost", 9092)]),
        ("a:1, b:2", [("a", 1), ("b", 2)]),
        ("kafka.example", [("kafka.example", 9092)]),
        ("[::1]:9092", [("::1", 9092)]),
        ("[::1]", [("::1", 9092)]),
        ("SASL_SSL://h:5", [("h", 5)]),
    ],
)
def test_bootstrap_addresses(bootstrap: str, expected: list[tuple[str, int]]) -> None:
    assert addresses(bootstrap) == expected


@pytest.mark.parametrize("bootstrap", ["", "a:b", ":1", "a:1,,b:2"])
def test_what_is_no_address_is_refused(bootstrap: str) -> None:
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        addresses(bootstrap)
