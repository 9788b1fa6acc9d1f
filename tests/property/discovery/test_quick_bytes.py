"""Bytes that look like frequent requests: answered as by the book, or left to it."""

from __future__ import annotations

import random

from tests.unit.discovery.asking import by_the_book, taken_apart
from tests.unit.discovery.test_quick import NOT_QUICK, QUICK, an_app
from tidelock.discovery.push import moment
from tidelock.runtime import ManualClock

ROUNDS = 1500
PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"?", b"#", b"%2f", b"%", b"//", b"..", b"\x00", b"\xff", b"&",
    b"HTTP/1.1", b"content-length: 0\r\n", b"host: localhost\r\n", b"transfer-encoding: chunked\r\n",
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(QUICK if rng.random() < 0.8 else NOT_QUICK))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at:at] = rng.choice(PIECES)
            case 1:
                del data[at : at + rng.randrange(1, 9)]
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                other = rng.choice(QUICK)
                data[at:] = other[rng.randrange(len(other)) :]
    return bytes(data)


def test_mutated_requests_are_answered_as_by_the_book_or_left_to_it() -> None:
    rng = random.Random(20)
    answered = 0
    one, other = an_app(), an_app()
    now = moment(ManualClock())
    for _ in range(ROUNDS):
        data = mutated(rng)
        answer = one.quick(data, now)
        if answer is not None:
            answered += 1
            assert (*taken_apart(answer[0]), answer[1]) == by_the_book(other, data), data
    assert ROUNDS / 10 < answered < ROUNDS
