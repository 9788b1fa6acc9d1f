"""A service that calls the next one: `python -m tests.integration.http_layers NEXT BREAKER` is one process.

NEXT is the next layer's URL, or "-" for the last one, which does the work or fails. BREAKER is "on" or "off".
It prints its port and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from starlette.applications import Starlette

from tidelock import http
from tidelock.http.breaker import BreakerSettings
from tidelock.http.middleware import DeadlineMiddleware
from tidelock.http.serve import mount
from tidelock.runtime import bind_loopback

NEVER = BreakerSettings(sliding_window_size=1_000_000, minimum_number_of_calls=1_000_000)
QUICK = BreakerSettings(wait_duration_in_open_state=0.5)


class Seen(msgspec.Struct):
    """What a layer saw: requests for work, and when (monotonic, the machine's) its last sleep was ended."""

    received: int = 0
    ended_at: float = 0.0


class Unavailable(Exception):
    """503: callers may repeat it, which is what makes a storm."""


@http.api("layer", errors={503: Unavailable})
class Layer:
    """Every layer has the same interface."""

    @http.get("/work")
    async def work(self, seconds: float = 0.0) -> str:
        """Do the work, or have the next layer do it."""
        raise NotImplementedError

    @http.put("/failing")
    async def fail(self, failing: http.Query[bool]) -> None:
        """Let the last layer fail, or work again."""
        raise NotImplementedError

    @http.get("/seen")
    async def seen(self) -> Seen:
        """Return what was seen."""
        raise NotImplementedError


def policy(breaker: str) -> http.Policy:
    """What every caller obeys."""
    return http.Policy(breaker=QUICK if breaker == "on" else NEVER)


class LayerHere(Layer):
    """One layer."""

    def __init__(self, following: str, breaker: str) -> None:
        self._seen = Seen()
        self._failing = False
        self._next: Layer | None = None
        if following != "-":
            self._next = http.connect(
                Layer, source=http.StaticSource({"layer": following}), policy=policy(breaker)
            )

    async def work(self, seconds: float = 0.0) -> str:
        """See Layer."""
        self._seen.received += 1
        if self._next is not None:
            try:
                return await self._next.work(seconds)
            except http.CallError as error:
                raise Unavailable(error.what) from error
        if self._failing:
            raise Unavailable("switched off")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._seen.ended_at = time.monotonic()
            raise
        return "done"

    async def fail(self, failing: bool) -> None:
        """See Layer."""
        self._failing = failing

    async def seen(self) -> Seen:
        """See Layer."""
        return self._seen


def main() -> None:
    """Serve on a free port."""
    import uvicorn

    sock = bind_loopback(0)
    app = Starlette()
    mount(app, LayerHere(sys.argv[1], sys.argv[2]))
    print(sock.getsockname()[1], flush=True)  # noqa: T201  this is how the parent learns the port
    config = uvicorn.Config(DeadlineMiddleware(app), log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
