"""A broker's life beside Apache Kafka's: starts, memory, and what 1 GB in the log does to both.

Each figure is from a broker of its own in an empty folder. A start ends with the first acknowledged record,
the creation of its topic included.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.engines.fetch import find
from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess

from bench.load import ProduceLoad, drive, settle
from bench.peers import Peer, mock_broker

GIGABYTE = 1 << 30
RESTARTED, FULL_TOPIC = "first", "full"

Process = BrokerProcess | ApacheKafka


def ours(policy: str) -> Callable[[Path], Process]:
    return lambda folder: BrokerProcess(folder / "data", {"tidelock.flush.policy": policy})


def kafka(folder: Path) -> Process:
    return ApacheKafka(find(), folder, quick=False)


def first_ack(process: Process, topic: str, *, create: bool) -> float:
    """Start a broker and wait for its first acknowledgement; returns the seconds."""
    begin = time.perf_counter()
    process.start()
    peer = Peer("", process.bootstrap, process.pid)
    if create:
        peer.create(topic)
    settle(ProduceLoad(topic, 1, 1, 100), process.bootstrap)
    return time.perf_counter() - begin


def live(make: Callable[[Path], Process], folder: Path, repeats: int) -> dict[str, float]:
    """One broker's whole life: name of the figure -> value, in seconds and MB."""
    starts = []
    for number in range(repeats):
        folder.joinpath(str(number)).mkdir(parents=True)
        process = make(folder / str(number))
        starts.append(first_ack(process, RESTARTED, create=True))
        if number + 1 < repeats:
            process.stop()
    found = {"start to first ack, s": statistics.median(starts)}
    try:
        peer = Peer("", process.bootstrap, process.pid)
        time.sleep(2.0)
        found["memory at rest, MB"] = peer.resident_megabytes()
        peer.create(FULL_TOPIC)
        load = ProduceLoad(FULL_TOPIC, 4, 900, 1000)
        drive(load, process.bootstrap, 300.0, most=GIGABYTE // len(load.request()))
        found["memory after 1 GB, MB"] = peer.resident_megabytes()
        process.stop()
        found["start with 1 GB after a stop, s"] = first_ack(process, FULL_TOPIC, create=False)
        process.kill()
        found["start with 1 GB after SIGKILL, s"] = first_ack(process, FULL_TOPIC, create=False)
    finally:
        process.kill()
    return found


def mock() -> dict[str, float]:
    """What applies to a broker without a disk that runs in a Python process here."""
    begin = time.perf_counter()
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(mock_broker())
        peer.create(FULL_TOPIC)
        settle(ProduceLoad(FULL_TOPIC, 1, 1, 100), peer.bootstrap)
        found = {"start to first ack, s": time.perf_counter() - begin}
        found["memory at rest, MB"] = peer.resident_megabytes()
        load = ProduceLoad(FULL_TOPIC, 4, 900, 1000)
        drive(load, peer.bootstrap, 300.0, most=GIGABYTE // len(load.request()))
        found["memory after 1 GB, MB"] = peer.resident_megabytes()
    return found
