"""Clients that mean no good, in a process of their own: `python -m tests.chaos.attackers PORT SECONDS SEED`.

Frames of every API that is served, in every version, most of them with bytes changed, cut, or made up; sizes
of 2 GB, negative sizes; connections that send a byte now and then, or a header and nothing more. Prints how
many frames were sent. A run is a function of its seed, but for the clock that ends it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from random import Random

from tests.support.node import fetch_request, produce_request
from tests.support.wire_values import sample, schemas
from tidelock.broker.apis.registry import SERVED
from tidelock.protocol.frame import encode_request
from tidelock.protocol.primitives import MalformedMessage
from tidelock.protocol.records import Producer, Record, build_batch

VERSIONS = [
    (api.key, version)
    for api in SERVED
    for version in range(max(api.min_version, api.least), api.max_version + 1)
]
REQUESTS = {schema.api_key: schema for schema in schemas() if schema.kind == "request"}
FRAMES_PER_CONNECTION = 5
ATTACKERS = 8
SLOW, SILENT = 100, 100


def frame(chance: Random) -> bytes:
    """One request with its size in front, whole or not."""
    kind = chance.random()
    if kind < 0.05:
        size = chance.choice((2**31 - 1, -1, -(2**31), 104_857_600, 0, 3))
        return struct.pack(">i", size) + chance.randbytes(chance.randint(0, 200))
    if kind < 0.2:
        key, version = chance.choice(VERSIONS)
        body = struct.pack(">hhih", key, version, 1, -1) + chance.randbytes(chance.randint(0, 200))
        return struct.pack(">i", len(body)) + body
    made = bytearray(data_request(chance) if kind < 0.4 else request(chance))
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        made[chance.randrange(4, len(made))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    if chance.random() < 0.1:
        del made[chance.randrange(5, len(made)) :]
        if chance.random() < 0.5:
            made[:4] = struct.pack(">i", len(made) - 4)
    return bytes(made)


def request(chance: Random) -> bytes:
    """A request of any API with any values that its version can carry."""
    while True:
        key, version = chance.choice(VERSIONS)
        with contextlib.suppress(MalformedMessage):
            return bytes(encode_request(sample(REQUESTS[key], version, chance), version, 1, "attacker"))


def data_request(chance: Random) -> bytes:
    """Produce or Fetch, whose decoders are written by hand, with a sound batch inside."""
    if chance.random() < 0.5:
        fetch = fetch_request("orders", chance.randint(0, 5), max_wait_ms=chance.choice((0, 10, 2**31 - 1)))
        return bytes(encode_request(fetch, chance.randint(4, 12), 1, "attacker"))
    records = [Record(number, 0, b"k", b"v" * 10) for number in range(chance.randint(1, 5))]
    batch = build_batch(records, producer=Producer(chance.randint(-1, 3), 0, chance.randint(-1, 9)))
    return bytes(encode_request(produce_request("orders", batch), chance.randint(3, 12), 1, "attacker"))


def attack(sock: socket.socket, chance: Random) -> None:
    """Send some frames at once, or in small pieces, end, and take what comes.

    Raises:
        OSError: cut off, at whatever call; after a reset `shutdown` says "not connected", no ConnectionError.
    """
    data = b"".join(frame(chance) for _ in range(FRAMES_PER_CONNECTION))
    step = chance.choice((len(data), len(data), len(data), 7, 50))
    for at in range(0, len(data), step):
        sock.sendall(data[at : at + step])
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(1 << 16):
        pass


def hangers_on(port: int) -> Iterator[socket.socket]:
    """Connections that never finish a request; every second one never sends a byte behind its size."""
    for number in range(SLOW + SILENT):
        sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        sock.sendall(struct.pack(">ihhi", 1 << 20, 0, 8, 1) if number % 2 else struct.pack(">i", 1 << 20))
        yield sock


class Attacker(threading.Thread):
    """Opens one connection after the other until its time is over; `is_done` when nothing else ended it."""

    def __init__(self, port: int, end: float, seed: str) -> None:
        super().__init__(daemon=True)
        self.port, self.end, self.chance = port, end, Random(seed)
        self.count = 0
        self.is_done = False

    def run(self) -> None:
        while time.monotonic() < self.end:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock,
            ):
                self.count += FRAMES_PER_CONNECTION
                attack(sock, self.chance)
        self.is_done = True


def main(port: int, seconds: float, seed: int) -> None:
    slow = list(hangers_on(port))
    end = time.monotonic() + seconds
    attackers = [Attacker(port, end, f"{seed} {number}") for number in range(ATTACKERS)]
    for attacker in attackers:
        attacker.start()
    while alive := [attacker for attacker in attackers if attacker.is_alive()]:
        alive[0].join(1.0)
        for sock in slow[1::2]:
            with contextlib.suppress(OSError):
                sock.sendall(b"\0")
    assert all(attacker.is_done for attacker in attackers)
    sys.stdout.write(f"{sum(attacker.count for attacker in attackers)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
