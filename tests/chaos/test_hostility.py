"""Hostile and countless clients cost a broker neither its life nor its memory; others are served meanwhile.

`CHAOS_FUZZ_SECONDS` (6), `CHAOS_SEED` and `CHAOS_CONNECTIONS` (1000) say how long, which and how many. The
log tells another client's latencies, and of what the turns of the broker's loop were made, which is the
broker's own part of them; neither is asserted, for a busy machine has its own.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.attackers import Attacker
from tests.integration.broker.test_hostility import frame_of, resident_bytes
from tests.support.broker import ROOT, BrokerProcess
from tests.support.node import fetch_request, produce_request
from tests.support.turns import in_words, read_turns
from tests.support.waiting import eventually
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.api_versions import ApiVersionsRequest
from tidelock.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidelock.protocol.records import Record, build_batch

SECONDS = float(os.environ.get("CHAOS_FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
CONNECTIONS = int(os.environ.get("CHAOS_CONNECTIONS", "1000"))
MOST_GROWTH = 64 << 20
VERSION = ApiVersionsRequest(client_software_name="t", client_software_version="1")

log = logging.getLogger(__name__)


class Bystander:
    """An honest client that produces and fetches by turns."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        topic = CreatableTopic(name="honest", num_partitions=1, replication_factor=1)
        self.ask(encode_request(CreateTopicsRequest(topics=[topic], timeout_ms=1000), 5, 1))
        batch = build_batch([Record(0, 0, b"k", b"v")])
        self.requests = [
            encode_request(produce_request("honest", batch), 8, 1),
            encode_request(fetch_request("honest", 0, max_wait_ms=0), 4, 1),
        ]
        self.waits: list[float] = []

    def ask(self, request: bytes | bytearray) -> bytes:
        self.sock.sendall(request)
        return frame_of(self.sock)

    def work(self) -> None:
        for request in self.requests:
            begun = time.monotonic()
            assert len(self.ask(request)) > 20
            self.waits.append(time.monotonic() - begun)
        time.sleep(0.01)  # the pace of an honest client

    def close(self) -> str:
        """Hang up; returns how long the answers took, in words."""
        self.sock.close()
        parts = statistics.quantiles(self.waits, n=100)
        return f"{len(self.waits)} answers, p50 {parts[49] * 1e3:.2f} ms, p99 {parts[98] * 1e3:.2f} ms"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    settings = {"auto.create.topics.enable": "false"}
    with BrokerProcess(tmp_path / "data", settings, [f"--turns={tmp_path / 'turns'}"]) as found:
        yield found
        assert found.stop() == 0
        log.info("the broker: %s", in_words(read_turns(tmp_path / "turns")))
        assert "Traceback" not in found.errors()


@pytest.mark.parametrize(
    ("error", "is_done"), [(OSError(errno.ENOTCONN, "reset before"), True), (ValueError("a mistake"), False)]
)
def test_an_attacker_lives_on_when_it_is_cut_off_and_does_not_die_unseen(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_done: bool
) -> None:
    def cut_off(sock: socket.socket, chance: Random) -> None:
        attacker.end = 0.0
        raise error

    monkeypatch.setattr("tests.chaos.attackers.attack", cut_off)
    with socket.create_server(("127.0.0.1", 0)) as server:
        attacker = Attacker(server.getsockname()[1], float("inf"), "1")
        with contextlib.nullcontext() if is_done else pytest.raises(type(error)):
            attacker.run()
    assert attacker.is_done is is_done
    assert attacker.count > 0


@pytest.mark.timeout(120 + 2 * SECONDS)
def test_frames_that_are_no_requests(broker: BrokerProcess) -> None:
    calm = Bystander(broker.port)
    for _ in range(100):
        calm.work()
    before = resident_bytes(broker.pid)
    honest = Bystander(broker.port)
    command = [sys.executable, "-m", "tests.chaos.attackers", str(broker.port), str(SECONDS), str(SEED)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as attackers:
        while attackers.poll() is None:
            honest.work()
        assert attackers.stdout is not None
        frames = int(attackers.stdout.read() or 0)
    assert attackers.returncode == 0, "an attacker died; stderr says of what"
    growth = resident_bytes(broker.pid) - before
    log.info("seed %d: %d frames in %.0f s, %.1f MB grown", SEED, frames, SECONDS, growth / (1 << 20))
    log.info("calm: %s; under attack: %s", calm.close(), honest.close())
    assert frames > 0
    assert growth < MOST_GROWTH


@pytest.mark.timeout(600)
def test_thousands_of_idle_connections(broker: BrokerProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    honest = Bystander(broker.port)
    before = resident_bytes(broker.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", broker.port), timeout=30))
            sock.sendall(encode_request(VERSION, 3, 1))
            assert len(frame_of(sock)) > 100
        growth = resident_bytes(broker.pid) - before
        for _ in range(50):
            honest.work()
        log.info(
            "%d idle connections: %.1f KB each; beside them: %s",
            *(CONNECTIONS, growth / CONNECTIONS / 1024, honest.close()),
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert growth < CONNECTIONS * (20 << 10) + (8 << 20)
    folder = Path(f"/proc/{broker.pid}/fd")
    eventually(lambda: len(list(folder.iterdir())) < 100, 60.0)
