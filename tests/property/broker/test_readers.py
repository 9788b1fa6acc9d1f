"""Every reader of bytes of the broker survives any bytes: only its declared errors come out."""

from __future__ import annotations

import struct

import hypothesis.strategies as st
from hypothesis import given, settings

from tests.support.node import MemoryBroker, fetch_request, produce_request
from tidelock.broker.apis.registry import SERVED
from tidelock.broker.groups.records import CorruptGroupRecord, decode
from tidelock.broker.metadata import CorruptMetadata
from tidelock.broker.metadata import decode as decode_metadata
from tidelock.broker.purgatory import Parked
from tidelock.broker.transactions.records import CorruptTransactionRecord, encode_key, encode_value
from tidelock.broker.transactions.records import decode as decode_transaction
from tidelock.broker.transactions.state import Transaction, TransactionStatus
from tidelock.errors import RemoteProtocolError
from tidelock.protocol.frame import encode_request
from tidelock.protocol.records import Record, build_batch

VERSIONS = [(api.key, version) for api in SERVED for version in range(api.min_version, api.max_version + 1)]


def ask(broker: MemoryBroker, frame: bytes) -> None:
    try:
        reply = broker.node.handle(memoryview(bytearray(frame)), "/", broker.now())
    except RemoteProtocolError:
        return
    assert reply is None or isinstance(reply, list | Parked)


def with_topic() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create("t", 2)
    broker.produce("t", b"x")
    return broker


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_request(frame: bytes) -> None:
    ask(with_topic(), frame)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(VERSIONS), st.binary(max_size=120))
def test_any_bytes_behind_a_good_header(api: tuple[int, int], body: bytes) -> None:
    ask(with_topic(), struct.pack(">hhih", *api, 1, -1) + body)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([(0, v) for v in range(3, 14)] + [(1, v) for v in range(4, 19)]),
    st.lists(st.tuples(st.integers(8, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_good_request_with_changed_bytes(api: tuple[int, int], changes: list[tuple[int, int]]) -> None:
    broker = with_topic()
    key, version = api
    batch = build_batch([Record(0, 0, b"k", b"v")])
    request = fetch_request("t", 0) if key else produce_request("t", batch)
    frame = encode_request(request, version, 1, "client")[4:]
    for position, value in changes:
        frame[position % len(frame)] = value
    ask(broker, bytes(frame))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.none() | st.binary(max_size=100))
def test_any_bytes_as_a_group_record(key: bytes, value: bytes | None) -> None:
    try:
        decode(key, value)
    except CorruptGroupRecord:
        return


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_metadata_log(data: bytes) -> None:
    try:
        records, intact = decode_metadata(data)
    except CorruptMetadata:
        return
    assert intact <= len(data)
    assert isinstance(records, list)


@given(st.binary(max_size=60), st.none() | st.binary(max_size=90))
def test_any_bytes_as_a_transaction_record(key: bytes, value: bytes | None) -> None:
    for prefix in (b"", b"\0\0"):
        try:
            decode_transaction(prefix + key, value)
        except CorruptTransactionRecord:
            continue


@given(
    st.text(max_size=20),
    st.sampled_from(TransactionStatus),
    st.frozensets(st.tuples(st.text(min_size=1, max_size=5), st.integers(0, 99)), max_size=5),
    st.integers(-1, 2**62),
)
def test_a_transaction_record_comes_back(
    name: str, status: TransactionStatus, partitions: frozenset[tuple[str, int]], number: int
) -> None:
    if status is TransactionStatus.EMPTY:
        partitions = frozenset()
    image = Transaction(
        name, number, 7, 1000, status, partitions=partitions, start_ms=number, previous_producer_id=number
    )
    assert decode_transaction(encode_key(name), encode_value(image)) == (name, image)
    assert decode_transaction(encode_key(name), None) == (name, None)
