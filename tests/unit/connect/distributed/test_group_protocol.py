"""What the workers tell each other, byte for byte as a JVM worker writes it."""

import pytest

from tidelock.connect.distributed.group_protocol import (
    COMPATIBLE,
    EAGER,
    SESSIONED,
    Assignment,
    ConnectorsAndTasks,
    Metadata,
    decode_assignment,
    decode_metadata,
    encode_assignment,
    encode_metadata,
    protocols,
    version_of,
)
from tidelock.errors import RemoteProtocolError

URL = "http://h:8083/"
# Written by Kafka's ConnectProtocol and IncrementalCooperativeConnectProtocol
EAGER_METADATA = "0000000e687474703a2f2f683a383038332f0000000000000005"
METADATA = "{}000e687474703a2f2f683a383038332f0000000000000005ffffffff"
ASSIGNMENT = (
    "0002000000034c2d31000e687474703a2f2f683a383038332f000000000000000500000002000263310000000"
    "2ffffffff00000000000263320000000100000001000000010002633300000001ffffffff000493e0"
)
GIVEN = Assignment(
    SESSIONED,
    leader="L-1",
    leader_url=URL,
    offset=5,
    assigned=ConnectorsAndTasks.of({"c1"}, {("c1", 0), ("c2", 1)}),
    revoked=ConnectorsAndTasks.of({"c3"}),
    delay=300_000,
)


@pytest.mark.parametrize(
    ("version", "expected"),
    [(EAGER, EAGER_METADATA), (COMPATIBLE, METADATA.format("0001")), (SESSIONED, METADATA.format("0002"))],
)
def test_metadata_are_the_bytes_of_a_java_worker(version: int, expected: str) -> None:
    written = encode_metadata(Metadata(version, URL, 5))
    assert written.hex() == expected
    assert decode_metadata(written) == Metadata(version, URL, 5)


def test_an_assignment_is_the_bytes_of_a_java_worker() -> None:
    assert encode_assignment(GIVEN).hex() == ASSIGNMENT
    assert decode_assignment(bytes.fromhex(ASSIGNMENT)) == GIVEN


def test_metadata_carry_what_the_worker_runs() -> None:
    metadata = Metadata(SESSIONED, URL, 7, GIVEN)
    assert decode_metadata(encode_metadata(metadata)).running == GIVEN.assigned


def test_an_eager_assignment_knows_neither_revocation_nor_delay() -> None:
    eager = Assignment(EAGER, leader="L", leader_url=URL, offset=1, assigned=GIVEN.assigned)
    assert decode_assignment(encode_assignment(eager)) == eager


@pytest.mark.parametrize("cut", range(len(ASSIGNMENT) // 2))
def test_bytes_that_are_cut_short_are_refused(cut: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_assignment(bytes.fromhex(ASSIGNMENT)[:cut])


def test_protocols_are_offered_newest_first_under_their_names() -> None:
    assert protocols(SESSIONED) == (SESSIONED, COMPATIBLE, EAGER)
    assert [version_of(name) for name in ("sessioned", "compatible", "default")] == [2, 1, 0]
    with pytest.raises(RemoteProtocolError, match="range"):
        version_of("range")
