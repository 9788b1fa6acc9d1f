"""What only the blocking flavour has: threads, the registry's thread, the proof on a bare socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.http_service import Order, Orders
from tests.integration.test_http_failover import Process
from tests.support.waiting import eventually
from tidelock import http
from tidelock.discovery import DiscoveryClient, DiscoverySettings, Instance, RegistryServer, RegistrySettings
from tidelock.errors import UsageError
from tidelock.http.background import Background
from tidelock.http.exchange import Failure, Outgoing, Reason
from tidelock.http.local import LocalFirst
from tidelock.http.wire.blocking import BlockingConnection
from tidelock.runtime import SystemClock, bind_loopback


@pytest.fixture
def one() -> Iterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        process.end()


def test_many_threads_share_one_client(one: Process) -> None:
    with http.connect_blocking(Orders, source=http.StaticSource({"order-service": one.url})) as orders:

        def work(number: int) -> bool:
            return orders(Orders.get, number) == orders.get(number) == Order(number, "ann")

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(work, range(400)))
        client = orders._tidelock_caller.client
        assert client.connections.busy == 0
        assert 1 <= client.connections.idle <= 8
        assert [peer.in_flight for peer in client.service("order-service").peers] == [0]


def test_a_method_that_the_interface_does_not_have() -> None:
    with http.connect_blocking(Orders, source=http.StaticSource({})) as orders:
        with pytest.raises(UsageError, match="has no method 'sell'"):
            orders.sell(1)
        with pytest.raises(TypeError):
            orders.get()


def test_an_asyncio_source_is_refused() -> None:
    with pytest.raises(UsageError, match="needs an event loop"):
        http.BlockingClient(LocalFirst(SystemClock(), {}))


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the proof needs TCP_INFO (Linux)")
def test_a_request_sent_after_the_other_side_ended_provably_never_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        ours.setblocking(False)
        connection = BlockingConnection(ours, time.monotonic, False)
        theirs.close()
        time.sleep(0.02)
        outcome = connection.exchange(
            Outgoing(b"POST / HTTP/1.1\r\n\r\n", False, False), time.monotonic() + 5
        )
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.sent) == (Reason.BROKEN, False)
    assert connection.closed


def test_instances_come_from_the_registry_through_a_thread_of_its_own(one: Process) -> None:
    ready, done = threading.Event(), threading.Event()
    urls: list[str] = []

    async def registry() -> None:
        server = RegistryServer(RegistrySettings(), bind_loopback(0, what="registry"))
        await server.start()
        urls.append(f"{server.url}/eureka/")
        client = DiscoveryClient(
            DiscoverySettings.parse({"eureka.client.serviceUrl.defaultZone": f"{server.url}/eureka/"})
        )
        await client.start()
        instance = Instance(
            app="order-service", instance_id="i-1", host="127.0.0.1", ip="127.0.0.1", port=one.port
        )
        await client.register(instance)
        ready.set()
        await asyncio.to_thread(done.wait)
        await client.stop()
        await server.stop()

    serving = threading.Thread(target=lambda: asyncio.run(registry()))
    serving.start()
    try:
        assert ready.wait(10)
        variables = {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": urls[0]}
        source = Background(lambda: LocalFirst(SystemClock(), variables))
        with http.BlockingClient(source) as client:
            orders = client.connect(Orders)
            assert orders(Orders.where, 1) == one.port
            assert [each.instance_id for each in http.instances(orders)] == ["i-1"]
        source.close()
    finally:
        done.set()
        serving.join(10)
    assert not [each for each in threading.enumerate() if each.name == "tidelock registry"]
    eventually(lambda: not serving.is_alive())
