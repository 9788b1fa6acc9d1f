"""Signed requests: what a JVM worker would make of the same body, and what is refused."""

import pytest

from tidelock.connect.distributed.config_state import SessionKey
from tidelock.connect.distributed.session_keys import (
    ALGORITHM,
    SIGNATURE,
    BadSignature,
    NoSessionKey,
    UnsignedRequest,
    is_due,
    signed,
    verify,
)

KEY = SessionKey(b"k" * 32, "HmacSHA256", created=1_000)
ALLOWED = ("HmacSHA256",)
BODY = b'[{"a":"b"}]'


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_a_signed_request_is_let_in() -> None:
    headers = signed(KEY, BODY, "HmacSHA256")
    assert headers == {
        SIGNATURE: "2ZKZte6y1GcAUE7ki14QBBlDu8dC6qZXS5SrH+hntDM=",
        ALGORITHM: "HmacSHA256",
    }
    verify(KEY, BODY, lower(headers), ALLOWED)


@pytest.mark.parametrize(
    ("key", "headers", "error"),
    [
        (KEY, {}, UnsignedRequest),
        (KEY, {SIGNATURE: "eA=="}, UnsignedRequest),
        (KEY, {SIGNATURE: "eA==", ALGORITHM: "HmacSHA512"}, UnsignedRequest),
        (KEY, {SIGNATURE: "?", ALGORITHM: "HmacSHA256"}, UnsignedRequest),
        (KEY, {SIGNATURE: "eA==", ALGORITHM: "HmacSHA256"}, BadSignature),
        (None, {SIGNATURE: "eA==", ALGORITHM: "HmacSHA256"}, NoSessionKey),
    ],
)
def test_all_others_are_refused(
    key: SessionKey | None, headers: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        verify(key, BODY, lower(headers), ALLOWED)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify(KEY, BODY + b" ", lower(signed(KEY, BODY, "HmacSHA256")), ALLOWED)


def test_a_key_is_due_at_first_and_when_it_has_had_its_time() -> None:
    assert is_due(None, 0, 500)
    assert not is_due(KEY, 1_499, 500)
    assert is_due(KEY, 1_500, 500)
    assert not is_due(KEY, 1 << 60, 0)
