"""The generated codecs beside kio (Rust reader, Python writer) and kafka-python (compiled from schemas).

The same bytes are decoded by all, and what each decoded is encoded again by it. A ratio above 1 says how many
times as long the peer takes.
"""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from bench.timing import microseconds, table
from tidelock.protocol.messages import fetch, heartbeat, metadata, produce
from tidelock.protocol.primitives import Message
from tidelock.protocol.records import Record, build_batch, check_crc, iter_records, read_header

Case = tuple[str, Message, int]
Row = tuple[str, str, str, str]


def main() -> None:
    rows: list[Row] = []
    for name, message, version in cases():
        rows += measured(name, message, version)
    table(("us of CPU per operation", "tidelock", "kio", "kafka-python"), rows)
    print()
    table(("us of CPU per operation", "tidelock"), list(record_rows()))
    print()
    table(("ms of CPU to import", "tidelock", "kio", "kafka-python"), [import_row()])


def cases() -> Iterator[Case]:
    for size in (200, 16 << 10, 1 << 20):
        yield f"ProduceRequest v9, 1 x {size} B", produce_request(1, 1, size), 9
    yield "ProduceRequest v9, 10 x 10 x 1 KiB", produce_request(10, 10, 1024), 9
    for count in (1, 10, 100):
        yield f"ProduceResponse v9, {count} partitions", produce_response(count), 9
    for count in (1, 10, 100):
        yield f"FetchRequest v12, {count} partitions", fetch_request(count), 12
    for count, size in ((1, 16 << 10), (1, 1 << 20), (10, 100 << 10)):
        yield f"FetchResponse v12, {count} x {size >> 10} KiB", fetch_response(count, size), 12
    for topics in (1, 100):
        yield f"MetadataResponse v12, {topics} x 10", metadata_response(topics), 12
    yield "HeartbeatRequest v4", heartbeat.HeartbeatRequest(group_id="group", member_id="m" * 40), 4
    yield "HeartbeatResponse v4", heartbeat.HeartbeatResponse(), 4


def produce_request(topics: int, partitions: int, size: int) -> Message:
    records = bytes(size)
    return produce.ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[
            produce.TopicProduceData(
                name=f"topic-{topic}",
                partition_data=[
                    produce.PartitionProduceData(index=index, records=records) for index in range(partitions)
                ],
            )
            for topic in range(topics)
        ],
    )


def produce_response(partitions: int) -> Message:
    answers = [produce.PartitionProduceResponse(index=n, base_offset=n) for n in range(partitions)]
    return produce.ProduceResponse(
        responses=[produce.TopicProduceResponse(name="topic", partition_responses=answers)]
    )


def fetch_request(partitions: int) -> Message:
    wanted = [
        fetch.FetchPartition(partition=n, fetch_offset=n, partition_max_bytes=1 << 20)
        for n in range(partitions)
    ]
    return fetch.FetchRequest(
        max_wait_ms=500, min_bytes=1, topics=[fetch.FetchTopic(topic="topic", partitions=wanted)]
    )


def fetch_response(partitions: int, size: int) -> Message:
    records = bytes(size)
    data = [fetch.PartitionData(partition_index=n, records=records) for n in range(partitions)]
    return fetch.FetchResponse(responses=[fetch.FetchableTopicResponse(topic="topic", partitions=data)])


def metadata_response(topics: int) -> Message:
    partitions = [
        metadata.MetadataResponsePartition(
            partition_index=n, leader_id=1, leader_epoch=3, replica_nodes=[1, 2, 3], isr_nodes=[1, 2, 3]
        )
        for n in range(10)
    ]
    return metadata.MetadataResponse(
        brokers=[metadata.MetadataResponseBroker(node_id=1, host="127.0.0.1", port=9092)],
        cluster_id="cluster",
        controller_id=1,
        topics=[
            metadata.MetadataResponseTopic(
                name=f"topic-{n}", topic_id=bytes(15) + b"1", partitions=partitions
            )
            for n in range(topics)
        ],
    )


def measured(name: str, message: Message, version: int) -> Iterator[Row]:
    out = bytearray()
    message.encode(version, out)
    wire = bytes(out)
    decode = type(message).decode
    yield row(f"decode {name}", lambda: decode(wire, version), *peers_decode(message, version, wire))
    encode = message.encode
    yield row(f"encode {name}", lambda: encode(version, bytearray()), *peers_encode(message, version, wire))


def row(name: str, ours: Callable[[], object], *peers: Callable[[], object]) -> Row:
    mine = microseconds(ours)
    kio, kafka_python = (f"{(taken := microseconds(peer)):.2f} ({taken / mine:.1f}x)" for peer in peers)
    return name, f"{mine:.2f}", kio, kafka_python


def kio_class(message: Message, version: int) -> Any:
    from kio import index

    load = (
        index.load_request_schema
        if type(message).__name__.endswith("Request")
        else index.load_response_schema
    )
    return load(message.API_KEY, version)  # type: ignore[arg-type]  # kio wants its own int16


def kafka_python_class(message: Message) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        modules = [
            importlib.import_module(f"kafka.protocol.{part}") for part in ("producer", "consumer", "metadata")
        ]
    name = type(message).__name__
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def peers_decode(message: Message, version: int, wire: bytes) -> list[Callable[[], object]]:
    from kio.serial import entity_reader

    read = entity_reader(kio_class(message, version))
    theirs = kafka_python_class(message)
    return [lambda: read(wire, 0), lambda: theirs.decode(wire, version=version)]


def peers_encode(message: Message, version: int, wire: bytes) -> list[Callable[[], object]]:
    from kio.serial import entity_reader, entity_writer

    entity_type = kio_class(message, version)
    entity, _ = entity_reader(entity_type)(wire, 0)
    write = entity_writer(entity_type)
    theirs = kafka_python_class(message).decode(wire, version=version)
    theirs._header = None
    return [lambda: write(io.BytesIO(), entity), lambda: theirs.encode(version=version)]


def record_rows() -> Iterator[tuple[str, str]]:
    batch = build_batch([Record(n, 1_700_000_000_000 + n, b"key %d" % n, bytes(100)) for n in range(1000)])
    header = read_header(batch)
    yield "read a batch header", f"{microseconds(lambda: read_header(batch)):.2f}"
    yield (
        f"check the CRC of {len(batch) >> 10} KiB",
        f"{microseconds(lambda: check_crc(batch, 0, header)):.2f}",
    )
    yield "read one record of 1,000", f"{microseconds(lambda: list(iter_records(batch))) / 1000:.2f}"
    wire = bytes(batch)
    for name, theirs in aiokafka_readers():
        taken = microseconds(lambda read=theirs: [(one.offset, one.key) for one in read(wire)])
        yield f"the same by {name}", f"{taken / 1000:.2f}"


def aiokafka_readers() -> Iterator[tuple[str, Any]]:
    from aiokafka.record import default_records

    yield "aiokafka (Python)", default_records._DefaultRecordBatchPy
    yield "aiokafka (Cython)", default_records.DefaultRecordBatch


OURS = "from tidelock.protocol.apis import *\nfor key in APIS: request_class(key), response_class(key)"
KIO = "from kio.index import load_request_schema, load_response_schema\n"
KIO_ONE = "load_request_schema({0}, {1}), load_response_schema({0}, {1})\n"
KAFKA_PYTHON = (
    "import kafka.protocol.producer, kafka.protocol.consumer, kafka.protocol.metadata, kafka.protocol.admin"
)


def import_row() -> Row:
    from tidelock.protocol.apis import APIS

    known = [
        (api.key, version)
        for api in APIS.values()
        for version in range(api.min_version, api.max_version + 1)
        if kio_knows(api.key, version)
    ]
    kio = KIO + "".join(KIO_ONE.format(key, version) for key, version in known)
    mine, *peers = (import_ms(code) for code in (OURS, kio, KAFKA_PYTHON))
    shown = [f"{taken:.0f} ({taken / mine:.1f}x)" for taken in peers]
    return "every API, every version", f"{mine:.0f}", shown[0], shown[1]


def kio_knows(key: int, version: int) -> bool:
    from kio import index

    try:
        index.load_request_schema(key, version)  # type: ignore[arg-type]  # kio wants its own int16
    except index.KioIndexError:
        return False
    return True


def import_ms(code: str) -> float:
    """Return the best of three, in a process of its own, with compiled files."""
    timed = f"import time\nstart = time.process_time()\n{code}\nprint(time.process_time() - start)"
    command = [sys.executable, "-W", "ignore", "-c", timed]
    runs = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(4)
    ]
    return min(runs[1:]) * 1000
