"""Waiting for something to become true, with a deadline: the only place where tests sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout: float = 10.0, *, interval: float = 0.02) -> T:
    """Return the first true result of `condition`; AssertionError with the last one after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"still {result!r} after {timeout} s: {condition}")
        time.sleep(interval)


async def eventually_async(
    condition: Callable[[], Awaitable[T]], within: float = 10.0, *, interval: float = 0.02
) -> T:
    """The same for a condition to await."""
    deadline = time.monotonic() + within
    while True:
        result = await condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"still {result!r} after {within} s: {condition}")
        await asyncio.sleep(interval)
