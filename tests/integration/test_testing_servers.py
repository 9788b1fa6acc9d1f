"""What the pytest plugin gives to users: real servers for a test, found without a line of configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, Producer

from tidelock.errors import TidelockError
from tidelock.testing import RunningBroker, RunningRegistry, broker, registry

USERS_TEST = """
import sys

assert not any(name.startswith("tidelock.http") for name in sys.modules), "the plugin must stay light"

import asyncio

from tidelock import http


@http.api("greeter")
class Greeter:
    @http.get("/hello")
    async def hello(self) -> str:
        raise NotImplementedError


def test_a_double(tidelock_fake):
    greeter = tidelock_fake(Greeter)
    greeter.on(Greeter.hello).returns("hello")
    assert asyncio.run(greeter.api.hello()) == "hello"


def test_an_hour(tidelock_virtual_time):
    tidelock_virtual_time.run(asyncio.sleep(3600))
    assert tidelock_virtual_time.monotonic() == 3600


def test_servers(tidelock_registry, tidelock_broker):
    assert tidelock_registry.service_url.endswith("/eureka/")
    assert tidelock_broker.bootstrap.startswith("127.0.0.1:")
"""


def test_a_user_s_tests_find_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(USERS_TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:schemathesis",
        "-p",
        "no:randomly",
        "-W",
        "error",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_broker_for_a_test(tidelock_broker: RunningBroker) -> None:
    producer = Producer({"bootstrap.servers": tidelock_broker.bootstrap})
    producer.produce("orders", b"one")
    assert producer.flush(30) == 0
    settings = {
        "bootstrap.servers": tidelock_broker.bootstrap,
        "group.id": "g",
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(settings)
    try:
        consumer.subscribe(["orders"])
        message = consumer.poll(60)
        assert message is not None
        assert message.value() == b"one"
    finally:
        consumer.close()


def test_a_registry_for_a_test(tidelock_registry: RunningRegistry) -> None:
    answer = httpx.get(
        f"{tidelock_registry.service_url}apps", headers={"accept": "application/json"}, timeout=30
    )
    assert answer.json()["applications"]["application"] == []


def test_servers_end_with_their_block_and_tell_why_they_cannot_start(tmp_path: Path) -> None:
    with registry({"eureka.server.disableDelta": "true"}) as running:
        assert httpx.get(f"{running.url}/eureka/apps/delta", timeout=30).status_code == 403
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url, timeout=30)
    with broker(settings={"num.partitions": "3"}) as first:
        assert first.folder.exists()
        port = first.bootstrap.rpartition(":")[2]
        with (
            pytest.raises(TidelockError, match=f"port {port} is in use"),
            broker(tmp_path, {"listeners": f"PLAINTEXT://{first.bootstrap}"}),
        ):
            pass
    assert not first.folder.exists()
