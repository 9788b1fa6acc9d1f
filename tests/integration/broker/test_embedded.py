"""The broker as a service inside another program's loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from tests.support.node import fetch_request, produce_request
from tests.support.waiting import eventually_async
from tidelock.broker import Broker, BrokerSettings
from tidelock.broker.changes import at_once
from tidelock.broker.disk import RealFiles
from tidelock.broker.server import DataFolderError
from tidelock.broker.sockets import ACCEPTED_PER_TURN
from tidelock.errors import ConflictError
from tidelock.protocol.error_codes import KafkaStorageError
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataResponse
from tidelock.protocol.messages.produce import ProduceResponse
from tidelock.protocol.records import Record, build_batch
from tidelock.runtime import bind_loopback


def settings(folder: Path, **given: str) -> BrokerSettings:
    values = {"log.dirs": str(folder), "listeners": "PLAINTEXT://127.0.0.1:0"}
    return BrokerSettings.parse({**values, **{key.replace("_", "."): value for key, value in given.items()}})


async def ask_metadata(bootstrap: str) -> MetadataResponse:
    host, _, port = bootstrap.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(encode_request(MetadataRequest(topics=None), 5, 1))
    size = int.from_bytes(await reader.readexactly(4), "big")
    frame = await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()
    response, _ = MetadataResponse.decode(frame, 5, 4)
    return response


async def produced(broker: Broker, topic: str, partitions: int = 1) -> list[int]:
    """Append a record to each partition of a topic; returns the error codes."""
    codes = []
    reader, writer = await asyncio.open_connection(*broker.bootstrap.split(":"))
    for partition in range(partitions):
        record = build_batch([Record(0, 1_000, None, b"x")])
        writer.write(encode_request(produce_request(topic, record, partition=partition), 9, 1))
        async with asyncio.timeout(10):
            size = int.from_bytes(await reader.readexactly(4), "big")
            response, _ = ProduceResponse.decode(await reader.readexactly(size), 9, 5)
        codes.append(response.responses[0].partition_responses[0].error_code)
    writer.close()
    await writer.wait_closed()
    return codes


def test_a_process_that_gets_no_more_threads_still_acknowledges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def run() -> None:
        broker = Broker(settings(tmp_path, tidelock_flush_policy="group"))
        await broker.start()
        try:
            at_once(broker.node.state.create_topic("t", 2, {}, broker.now()))
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                assert await produced(broker, "t", 2) == [0, 0]
        finally:
            await broker.stop()

    asyncio.run(run())


def test_a_flush_that_ends_unexpectedly_fails_its_parts_and_not_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(files: RealFiles, work: object, times: int) -> None:
        raise RuntimeError("nobody thought of this")

    async def run() -> None:
        broker = Broker(settings(tmp_path, tidelock_flush_policy="group"))
        await broker.start()
        try:
            at_once(broker.node.state.create_topic("hit", 1, {}, broker.now()))
            with monkeypatch.context() as patch:
                patch.setattr(RealFiles, "side_by_side", break_down)
                assert await produced(broker, "hit") == [KafkaStorageError.error_code]
            at_once(broker.node.state.create_topic("spared", 1, {}, broker.now()))
            assert await produced(broker, "spared") == [0]
            assert "nobody thought of this" in str(broker.node.state.logs.get("hit", 0).offline)
        finally:
            await broker.stop()

    asyncio.run(run())


def test_it_tells_clients_the_port_it_really_has(tmp_path: Path) -> None:
    async def run() -> None:
        broker = Broker(settings(tmp_path))
        await broker.start()
        try:
            (own,) = (await ask_metadata(broker.bootstrap)).brokers
            assert f"{own.host}:{own.port}" == broker.bootstrap
            assert own.port > 0
        finally:
            await broker.stop()

    asyncio.run(run())


def test_it_takes_a_socket_that_was_bound_before(tmp_path: Path) -> None:
    async def run() -> None:
        sock = bind_loopback(0)
        broker = Broker(settings(tmp_path, advertised_listeners="PLAINTEXT://example.test:4711"), sock=sock)
        await broker.start()
        try:
            assert broker.bootstrap == "example.test:4711"
            found = await ask_metadata("{}:{}".format(*sock.getsockname()))
            assert [(one.host, one.port) for one in found.brokers] == [("example.test", 4711)]
        finally:
            await broker.stop()

    asyncio.run(run())


def test_many_who_come_at_once_wait_in_the_kernel_and_are_taken_a_few_at_a_time(tmp_path: Path) -> None:
    async def run() -> None:
        broker = Broker(settings(tmp_path))
        await broker.start()
        host, _, port = broker.bootstrap.rpartition(":")
        # The loop stands still meanwhile: whoever does not fit into the kernel's queue waits for ever.
        crowd = [socket.create_connection((host, int(port)), timeout=30) for _ in range(100)]
        try:
            seen = {len(broker.connections)}
            while len(broker.connections) < len(crowd):
                await asyncio.sleep(0)
                seen.add(len(broker.connections))
            assert len(seen) >= len(crowd) // ACCEPTED_PER_TURN
        finally:
            for sock in crowd:
                sock.close()
            await broker.stop()

    asyncio.run(run())


def test_it_sends_without_waiting_for_acknowledgements(tmp_path: Path) -> None:
    async def run() -> None:
        broker = Broker(settings(tmp_path))
        await broker.start()
        try:
            host, _, port = broker.bootstrap.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(port))
            await ask_metadata(broker.bootstrap)
            (connection, *_) = broker.connections
            assert connection.transport is not None
            assert connection.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            await writer.wait_closed()
        finally:
            await broker.stop()

    asyncio.run(run())


def test_a_stop_answers_those_who_wait_and_leaves_the_folder_clean(tmp_path: Path) -> None:
    async def run() -> None:
        broker = Broker(settings(tmp_path))
        await broker.start()
        at_once(broker.node.state.create_topic("t", 1, {}, broker.now()))
        host, _, port = broker.bootstrap.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(encode_request(fetch_request("t", 0, max_wait_ms=60_000), 11, 9))
        await writer.drain()

        async def waits() -> bool:
            return bool(broker.node.state.purgatory.waiting)

        await eventually_async(waits)
        await broker.stop()
        assert (await reader.readexactly(8))[4:] == b"\0\0\0\x09"
        await reader.read()
        writer.close()
        await writer.wait_closed()
        again = Broker(settings(tmp_path))
        await again.start()
        assert again.node.report.clean
        await again.stop()

    asyncio.run(run())


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        first = Broker(settings(tmp_path / "a"))
        await first.start()
        taken = first.bootstrap
        for second in (
            Broker(settings(tmp_path / "b", listeners=f"PLAINTEXT://{taken}")),
            Broker(settings(tmp_path / "a")),
        ):
            with pytest.raises(ConflictError):
                await second.start()
            await second.stop()
            await second.stop()
        await first.stop()

    asyncio.run(run())


def test_it_can_be_started_again_on_the_same_data(tmp_path: Path) -> None:
    async def run() -> None:
        for number in range(3):
            broker = Broker(settings(tmp_path))
            await broker.start()
            at_once(broker.node.state.create_topic(f"t{number}", 1, {}, broker.now()))
            found = {one.name for one in (await ask_metadata(broker.bootstrap)).topics}
            assert found == {f"t{n}" for n in range(number + 1)}
            await broker.stop()

    asyncio.run(run())


def test_a_folder_that_the_disk_refuses_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder", encoding="utf-8")

    async def run() -> None:
        broker = Broker(settings(tmp_path / "taken"))
        with pytest.raises(DataFolderError, match="the data folder cannot be used: File exists") as caught:
            await broker.start()
        await broker.stop()
        assert caught.value.where == str(tmp_path / "taken")

    asyncio.run(run())
