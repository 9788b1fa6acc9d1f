"""Deadlines: nested, and read from headers."""

from __future__ import annotations

import math

import pytest

from tidelock.http.deadlines import current_deadline, deadline, deadline_at, remaining_from
from tidelock.runtime import ManualClock


def test_the_earlier_of_two_deadlines_holds() -> None:
    clock = ManualClock()
    assert current_deadline() == math.inf
    with deadline(5.0, clock=clock):
        with deadline(9.0, clock=clock):
            assert current_deadline() == 5.0
        with deadline_at(1.0):
            assert current_deadline() == 1.0
        assert current_deadline() == 5.0
    assert current_deadline() == math.inf


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        (b"x-envoy-expected-rq-timeout-ms", b"250", 0.25),
        (b"x-envoy-expected-rq-timeout-ms", b"0", 0.0),
        (b"x-envoy-expected-rq-timeout-ms", b"-5", None),
        (b"x-envoy-expected-rq-timeout-ms", b"1e3", None),
        (b"x-envoy-expected-rq-timeout-ms", b"\xb2", None),
        (b"x-envoy-expected-rq-timeout-ms", b"9" * 400, None),
        (b"grpc-timeout", b"1500m", 1.5),
        (b"grpc-timeout", b"2S", 2.0),
        (b"grpc-timeout", b"2X", None),
        (b"grpc-timeout", b"", None),
        (b"other", b"1", None),
    ],
)
def test_what_the_caller_grants(name: bytes, value: bytes, seconds: float | None) -> None:
    assert remaining_from([(b"accept", b"*/*"), (name, value)]) == seconds
