"""Every message in every version: what is written is read back, and no bytes whatever break a reader.

Invariants of the fuzz tests: a reader raises MalformedMessage or returns a message and a position inside the
buffer; what it returned can be written again, and reads back as the same.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.support.wire_values import message_class, sample, schema_of, schemas, versions
from tidelock.protocol import frame
from tidelock.protocol.primitives import MalformedMessage

SEEDS = st.integers(0, 1 << 32)
VERSIONS = list(versions())
QUICK = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
FUZZ = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("name", "version"), VERSIONS)
@given(seed=SEEDS)
@QUICK
def test_a_message_comes_back_as_it_went(name: str, version: int, seed: int) -> None:
    message = sample(schema_of(name), version, Random(seed))
    note(str(message))
    out = bytearray(b"before")
    message.encode(version, out)
    back, end = message_class(name).decode(bytes(out) + b"behind", version, 6)
    assert end == len(out)
    again = bytearray(b"before")
    back.encode(version, again)
    assert again == out
    assert same(back, message)


def same(back: Any, message: Any) -> bool:
    """Equal, but for tagged structs that were set to nothing but defaults: those are not sent."""
    if type(back) is not type(message):
        return bool(back == message) or (back is None and message == type(message)())
    if isinstance(message, list):
        return len(back) == len(message) and all(map(same, back, message))
    slots = getattr(message, "__slots__", None)
    if slots is None:
        return bool(back == message)
    return all(same(getattr(back, name), getattr(message, name)) for name in slots)


@pytest.mark.parametrize("name", [schema.name for schema in schemas()])
@given(seed=SEEDS, wire=st.binary(max_size=200))
@FUZZ
def test_no_bytes_break_a_reader(name: str, seed: int, wire: bytes) -> None:
    check_reader(name, any_version(name, Random(seed)), wire)


@pytest.mark.parametrize("name", [schema.name for schema in schemas()])
@given(seed=SEEDS)
@FUZZ
def test_no_mutilated_message_breaks_a_reader(name: str, seed: int) -> None:
    random = Random(seed)
    version = any_version(name, random)
    out = bytearray()
    sample(schema_of(name), version, random).encode(version, out)
    for _ in range(random.randint(1, 4)):
        where = random.randrange(len(out) + 1)
        out[where : where + random.randint(0, 2)] = random.randbytes(random.randint(0, 3))
    check_reader(name, version, bytes(out))


def any_version(name: str, random: Random) -> int:
    known = schema_of(name).versions
    return random.randint(known.low, known.high)


def check_reader(name: str, version: int, wire: bytes) -> None:
    cls = message_class(name)
    try:
        message, end = cls.decode(wire, version)
    except MalformedMessage:
        return
    assert 0 <= end <= len(wire)
    again = bytearray()
    message.encode(version, again)
    assert cls.decode(again, version)[1] == len(again)


@given(wire=st.binary(max_size=60))
@FUZZ
def test_no_bytes_break_the_header_reader(wire: bytes) -> None:
    try:
        header = frame.read_request_header(wire)
    except MalformedMessage:
        return
    assert 10 <= header.end <= len(wire)
