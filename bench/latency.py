"""One record at a time: how long until it is acknowledged, and until a waiting consumer has it.

    python -m bench.latency HOST:PORT TOPIC SECONDS [ack]

One connection produces, another has a fetch waiting for exactly that record; with `ack` none has, for a
broker whose fetches wait for their time and not for data. The topic must be empty.
"""

from __future__ import annotations

import json
import select
import statistics
import struct
import sys
import time

from bench.load import FETCH_VERSION, ProduceLoad, connect, receive, require_success
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic

PAUSE = 0.001
WARMING, LEAST = 20, 200


def waiting_fetch(topic: str, offset: int) -> bytes:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    asked = FetchTopic(topic=topic, partitions=[wanted])
    request = FetchRequest(max_wait_ms=10_000, min_bytes=1, max_bytes=1 << 20, topics=[asked])
    return bytes(encode_request(request, FETCH_VERSION, 1, "bench"))


def measure(bootstrap: str, topic: str, seconds: float, *, consumes: bool) -> dict[str, float]:
    """Microseconds: median and 99th percentile of both."""
    load = ProduceLoad(topic, 1, 1, 100)
    request = bytes(load.request())
    producer, consumer = connect(bootstrap), connect(bootstrap)
    require_success(load, producer)
    frame = bytearray(waiting_fetch(topic, 1))
    at = waiting_fetch(topic, -2).index(struct.pack(">q", -2))
    acks: list[float] = []
    whole: list[float] = []
    offset, end = 1, time.perf_counter() + seconds
    while time.perf_counter() < end or offset <= WARMING + LEAST:
        struct.pack_into(">q", frame, at, offset)
        if consumes:
            consumer.sendall(frame)
        time.sleep(PAUSE)  # the fetch is parked, and both sides have come to rest
        start = time.perf_counter()
        producer.sendall(request)
        left = {producer: acks, consumer: whole} if consumes else {producer: acks}
        while left:
            for sock in select.select(list(left), [], [])[0]:
                receive(sock)
                left.pop(sock).append((time.perf_counter() - start) * 1e6)
        offset += 1
    found = {}
    for name, values in (("ack", acks[WARMING:]), ("end to end", whole[WARMING:])):
        if not values:
            continue
        cuts = statistics.quantiles(values, n=100)
        found[f"{name} p50"], found[f"{name} p99"] = cuts[49], cuts[98]
    return found


if __name__ == "__main__":
    bootstrap, topic, seconds, *rest = sys.argv[1:]
    print(json.dumps(measure(bootstrap, topic, float(seconds), consumes=rest != ["ack"])))
