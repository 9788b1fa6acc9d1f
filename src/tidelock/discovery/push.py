"""Pushing changes to watchers over HTTP: server-sent events, long polls, acknowledgements, suspicion.

The shell around `feed`, `streams` and `suspicion`: it holds connections open, sends what those say, notices
when a connection ends, and probes the ports of instances that hung on it. May import everything of the part
except `app`, `server` and the client. Invariants: a watcher is told of a change within `PACE` seconds,
however many changes there are; after `stop()` no stream is open and none of those that ended is suspected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from tidelock import web
from tidelock.discovery.feed import Feed, Position, filter_of
from tidelock.discovery.lease import LeaseKey, Moment
from tidelock.discovery.operations import PLAIN, Reply, Request
from tidelock.discovery.registry import Registry
from tidelock.discovery.streams import Stream, Streams
from tidelock.discovery.suspicion import GATHER, Verdict
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 1.0

PROBE_AGAIN = (0.2, 0.0)
"""Seconds after each further probe: a dying process may close its connections before its port."""

HEARTBEAT = 5.0
"""Seconds of silence after which a comment is sent, so that both sides notice a dead connection."""

PACE = 0.05
"""Seconds between two events to one watcher: what changes in between comes as one."""

WAIT_LIMIT = 60.0
"""Seconds that a long poll or a drain may ask for."""

RETRY_MS = 1000

POSITION_HEADER = "x-tidelock-position"
DOCUMENT_HEADER = "x-tidelock-document"

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Crashed = Callable[[LeaseKey, float, str], None]
"""Ends a lease: key, monotonic second of the crash, reason."""


def moment(clock: Clock) -> Moment:
    """Read both clocks."""
    return Moment(clock.monotonic(), clock.wall())


class Bell:
    """Wakes everybody who waits for the next ring."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who waits now; who comes later waits for the next ring."""
        ringing, self._next = self._next, None
        if ringing is not None:
            ringing.set_result(None)

    def next(self) -> asyncio.Future[None]:
        """Return what is done at the next ring; shared, so wait for it with `asyncio.wait` only."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next


class Push:
    """Everything that is kept open for watchers of one registry.

    Args:
        registry: the lease table.
        clock: the machine's unless a test brings its own.
        epoch: differs from start to start.
        crashed: called for an instance whose stream broke and whose host refuses connections; None suspects
            nobody.
    """

    def __init__(self, registry: Registry, clock: Clock, epoch: str, crashed: Crashed | None) -> None:
        self.feed = Feed(registry, epoch)
        self.streams = Streams()
        self._registry = registry
        self._clock = clock
        self._crashed = crashed
        self._announced = registry.version
        self._changed = Bell()
        self._progress = Bell()
        self._is_stopping = False
        self._probes: set[asyncio.Task[None]] = set()

    def published(self) -> None:
        """Wake the watchers if the registry has changed."""
        if self._announced != self._registry.version:
            self._announced = self._registry.version
            self._changed.ring()

    async def stop(self) -> None:
        """End all streams and probes; safe to call more than once."""
        self._is_stopping = True
        self._changed.ring()
        self._progress.ring()
        probes = tuple(self._probes)
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    # watchers

    async def watch(self, query: Mapping[str, Sequence[str]], receive: web.Receive, send: web.Send) -> None:
        """`GET /eureka/watch?since=&apps=&watcher=&instance=APP/id`: events until either side ends.

        With `data=none` they say only that something changed.
        """
        stream = self.streams.open(
            watcher=_first(query, "watcher"),
            apps=filter_of(_first(query, "apps")),
            since=Position.read(_first(query, "since") or ""),
            has_data=_first(query, "data") != "none",
            instances=[key for text in query.get("instance", ()) if (key := _key(text)) is not None],
        )
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            await _piece(send, f"retry: {RETRY_MS}\n\n".encode())
            await self._serve(stream, gone, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._ended(stream)

    async def _serve(self, stream: Stream, gone: asyncio.Task[None], send: web.Send) -> None:
        silent_at = self._clock.monotonic() + HEARTBEAT
        while not (gone.done() or self._is_stopping):
            changed = self._changed.next()
            payload = self._payload(stream)
            if payload is None and self._clock.monotonic() >= silent_at:
                payload = b":\n\n"
            if payload is not None:
                await _piece(send, payload)
                silent_at = self._clock.monotonic() + HEARTBEAT
                await asyncio.wait((gone,), timeout=PACE)
            left = max(0.0, silent_at - self._clock.monotonic())
            await asyncio.wait((gone, changed), timeout=left, return_when=asyncio.FIRST_COMPLETED)

    def _payload(self, stream: Stream) -> bytes | None:
        position = self.feed.position
        if stream.since == position:
            return None
        if stream.has_data:
            event = self.feed.event(stream.since, stream.apps)
        else:
            event = b"id: %s\nevent: changed\ndata: 1\n\n" % str(position).encode()
        asks = event is not None and self.streams.asks(stream)
        self.streams.told(stream, position, is_silent=event is None)
        self._progress.ring()
        return b"ack: 1\n" + event if asks and event is not None else event

    async def poll(self, request: Request) -> Reply:
        """`GET /eureka/apps/delta?since=&wait=&apps=`: what changed, at once or when it does within `wait`.

        Without `since` only what changes from now on; with one that is not known everything. The headers
        say which it is, and from where to ask next.
        """
        given = request.query.get("since")
        since = self.feed.position if given is None else Position.read(given)
        apps = filter_of(request.query.get("apps"))
        until = self._clock.monotonic() + _seconds(request.query.get("wait"))
        while (news := self.feed.news(since, apps)) is None and not self._is_stopping:
            left = until - self._clock.monotonic()
            if left <= 0:
                break
            await asyncio.wait((self._changed.next(),), timeout=left)
        news = news or self.feed.nothing(apps)
        headers = (
            ("content-type", request.form.content_type),
            ("cache-control", "no-store"),
            (POSITION_HEADER, str(news.position)),
            (DOCUMENT_HEADER, news.kind),
        )
        return Reply(200, request.form.applications(news.document), headers)

    # acknowledgements

    def acknowledge(self, request: Request) -> Reply:
        """`POST /eureka/watch/ack?watcher=&at=`: the watcher has applied everything up to there."""
        position = Position.read(request.query.get("at", ""))
        if position is None or position.epoch != self.feed.epoch:
            return Reply(404, b"that position is not from this run of the registry", PLAIN)
        if not self.streams.acknowledge(request.query.get("watcher", ""), position.version):
            return Reply(404, b"no such watcher", PLAIN)
        self._progress.ring()
        return Reply(200)

    async def settled(self, wait: str | None) -> tuple[int, int]:
        """Wait until all watchers have applied what is the case now.

        Args:
            wait: seconds at most, as text of a query.

        Returns:
            How many have, and how many there are.
        """
        version = self._registry.version
        self.streams.want(version)
        self.published()
        until = self._clock.monotonic() + _seconds(wait)
        while self.streams.acknowledged(version) < len(self.streams) and not self._is_stopping:
            left = until - self._clock.monotonic()
            if left <= 0:
                break
            await asyncio.wait((self._progress.next(),), timeout=left)
        return self.streams.acknowledged(version), len(self.streams)

    # suspicion

    def suspect(self, request: Request) -> Reply:
        """`POST /eureka/suspect?app=&id=`: a caller could not connect; the registry looks for itself."""
        key = (request.query.get("app", "").upper(), request.query.get("id", ""))
        now = self._clock.monotonic()
        if not self._registry.holds(key):
            return Reply(404, b"no such lease", PLAIN)
        if self._crashed is None:
            return Reply(403, b"probes are switched off (eureka.server.probeExpired)", PLAIN)
        if self.streams.suspicion.reported(key, now):
            self._start(self._investigate(key))
        return Reply(202)

    def _ended(self, stream: Stream) -> None:
        suspects = self.streams.close(stream, self._clock.monotonic())
        self._progress.ring()
        if self._is_stopping:
            return
        for key in suspects:
            if self._crashed is not None and self._registry.holds(key):
                self._start(self._investigate(key))
            else:
                self.streams.release(key)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="registry suspicion")
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _investigate(self, key: LeaseKey) -> None:
        suspicion = self.streams.suspicion
        since = suspicion.since(key)
        instance = self._registry.instance(*key, moment(self._clock))
        if since is None or instance is None:
            suspicion.release(key)
            return
        refused = await is_refused(*instance.address)
        await asyncio.sleep(GATHER)
        for pause in PROBE_AGAIN:
            if refused or suspicion.since(key) != since:
                break
            refused = await is_refused(*instance.address)
            await asyncio.sleep(pause)
        verdict = suspicion.verdict(key, self._clock.monotonic(), is_refused=refused)
        log.debug("suspicion", extra={"app": key[0], "instance": key[1], "verdict": verdict.value})
        if verdict is Verdict.CRASHED and self._crashed is not None:
            self._crashed(key, since, verdict.value)


async def _piece(send: web.Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: web.Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _first(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name)
    return values[0] if values else None


def _key(text: str) -> LeaseKey | None:
    app, slash, instance_id = text.partition("/")
    return (unquote(app).upper(), instance_id) if slash else None


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), WAIT_LIMIT) if seconds == seconds else 0.0


async def is_refused(host: str, port: int) -> bool:
    """Whether a host actively refuses a TCP connection; silence and other failures are no proof."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError, OverflowError, UnicodeError):  # silent, unknown, or no address at all
        return False
    writer.close()
    return False
