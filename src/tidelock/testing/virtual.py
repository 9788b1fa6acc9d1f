"""`virtual_time()`: leases, breakers, timeouts and pauses pass in no time, in the order they are due.

    with virtual_time() as time:
        time.run(story())       # asyncio: when nobody has anything to do, the next timer is due at once
        time.advance(30)        # blocking code: moved by hand; a pause moves it by itself

Everything that is made inside the block with the system's clock goes by the virtual one. An event loop reads
it too, so that `asyncio.sleep` and `asyncio.timeout` are virtual. Time only stands still while something is
ready: bytes on a socket of this process, a thread of the loop's executor. After the last bytes `GRACE` of
real time is given to what may still be under way; other processes are not waited for, so servers belong into
the same loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

from tidelock.runtime import substituted_clock

T = TypeVar("T")

GRACE = 0.002
"""Real seconds in which bytes under way within this machine may still arrive before time jumps."""

EPOCH = 1_700_000_000.0
"""The wall clock begins here."""


class VirtualTime:
    """A clock that jumps to what is due next; see `virtual_time`. Also a `runtime.WaitingClock`."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds since the block began."""
        return self._now

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return EPOCH + self._now

    def sleep(self, seconds: float) -> None:
        """What `time.sleep` is to a real clock."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move time forward; what is due by then happens when its loop or caller runs next."""
        self._now += max(seconds, 0.0)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return an event loop that goes by this clock: a `loop_factory` for `asyncio.Runner`."""
        return _VirtualLoop(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, as `asyncio.run` does."""
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(work)


@contextlib.contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Have everything that is made inside the block go by a clock that a test controls."""
    clock = VirtualTime()
    with substituted_clock(clock):
        yield clock


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers are due as soon as nothing else is to be done."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock = clock
        self._jumping = _JumpingSelector(clock)
        super().__init__(self._jumping)

    def time(self) -> float:
        """See asyncio."""
        return self._clock.monotonic()

    def run_in_executor(  # type: ignore[override]  # typeshed types the arguments variadically
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """See asyncio; time passes as it really does while a thread works."""
        self._jumping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that does not wait for a timer but moves the clock to it.

    Attributes:
        threads: how many work for the loop.
    """

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock
        self._is_quiet = False
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See selectors; `timeout` is how far away the next timer is."""
        if timeout is None or timeout <= 0.0:
            return super().select(timeout)
        if self.threads:
            began = time.perf_counter()
            ready = super().select(timeout)
            self._clock.advance(time.perf_counter() - began)
            return ready
        has_sockets = len(self.get_map()) > 1  # one is the loop's own, by which it is woken up
        ready = super().select(GRACE if has_sockets and not self._is_quiet else 0.0)
        self._is_quiet = not ready  # nothing is under way: timer after timer needs no patience
        if not ready:
            self._clock.advance(timeout)
        return ready
