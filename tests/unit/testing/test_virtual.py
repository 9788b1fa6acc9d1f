"""Virtual time: timers are due in order and at once; leases, sockets and threads are not hurried past."""

from __future__ import annotations

import asyncio
import socket
import threading
import time as machine

import pytest

from tidelock.discovery import Instance, RegistryApp, RegistrySettings
from tidelock.discovery.push import moment
from tidelock.runtime import ManualClock, SystemClock, sleeping
from tidelock.testing import VirtualTime, virtual_time


def test_timers_are_due_in_order_and_take_no_time() -> None:
    happened: list[tuple[str, float]] = []

    async def after(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        happened.append((name, SystemClock().monotonic()))

    async def run() -> None:
        await asyncio.gather(after("late", 3600.0), after("soon", 60.0), after("middle", 600.0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30.0):
                await asyncio.Event().wait()

    began = machine.monotonic()
    with virtual_time() as time:
        wall = time.wall()
        time.run(run())
        assert happened == [("soon", 60.0), ("middle", 600.0), ("late", 3600.0)]
        assert (time.monotonic(), time.wall()) == (3630.0, wall + 3630.0)
    assert machine.monotonic() - began < 30.0


def test_clocks_made_outside_are_the_machine_s() -> None:
    outside = SystemClock()
    with virtual_time() as time:
        time.advance(1000.0)
        assert SystemClock().monotonic() == 1000.0
        assert abs(outside.monotonic() - machine.monotonic()) < 60.0
        time.advance(-5.0)
        assert time.monotonic() == 1000.0
    assert abs(SystemClock().wall() - machine.time()) < 60.0


def test_a_thread_waits_by_the_clock_it_is_given() -> None:
    for clock in (VirtualTime(), ManualClock()):
        sleeping(clock)(90.0)
        assert clock.monotonic() == 90.0
    assert sleeping(SystemClock()) is machine.sleep


def test_a_lease_ends_in_virtual_time() -> None:
    with virtual_time() as time:
        app = RegistryApp(RegistrySettings(), SystemClock())
        instance = Instance(app="orders", instance_id="i1", host="h", ip="1", duration=90.0)
        app.registry.register(instance, moment(SystemClock()))
        gone_at = None
        while gone_at is None:
            time.advance(1.0)  # a run that is late gives leases as much more time
            if app.registry.evict(moment(SystemClock())).evicted:
                gone_at = time.monotonic()
        assert 90.0 <= gone_at <= 92.0


def test_bytes_under_way_come_before_the_next_timer() -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=one)
        arrived = []
        for number in range(20):
            loop.call_later(1.0, other.send, b"x")
            await reader.readexactly(1)
            arrived.append(loop.time())
            assert arrived[-1] == pytest.approx(number + 1.0)
        other.close()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        return arrived

    with virtual_time() as time:
        assert len(time.run(run())) == 20


def test_a_thread_s_work_takes_real_time() -> None:
    released = threading.Event()

    async def run() -> str:
        async with asyncio.timeout(3600.0):
            work = asyncio.create_task(asyncio.to_thread(released.wait, 30.0))
            await asyncio.sleep(0)
            threading.Timer(0.02, released.set).start()
            assert await work
        return "done"

    with virtual_time() as time:
        assert time.run(run()) == "done"
        assert 0.0 < time.monotonic() < 60.0
