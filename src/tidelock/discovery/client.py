"""A client of any Eureka server: registers, renews and cancels instances, and keeps a copy of the registry.

Look-ups answer from the copy and do no IO; they may come from any thread, everything else from the event
loop that started the client. The copy survives the registry being down; an instance whose lease was lost
registers again by itself. May import everything of the part except the server. Invariants: a registered
instance is renewed until it is cancelled or the client stops; a failed fetch never empties the copy.

Source: Netflix `com.netflix.discovery.DiscoveryClient`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tidelock import observe
from tidelock.discovery.calls import Report
from tidelock.discovery.codec import json
from tidelock.discovery.codec.fields import FULL
from tidelock.discovery.events import Event
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.lease import LeaseKey
from tidelock.discovery.replica import Replica
from tidelock.discovery.settings import DiscoverySettings
from tidelock.discovery.transport import Answer, Connection, RegistryUnreachableError, Target
from tidelock.discovery.watching import Listener, Watching
from tidelock.errors import TidelockError
from tidelock.runtime import Clock, SystemClock

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKOFF = 0.25
"""Seconds before the first repetition after a failure; doubles up to the interval of what failed."""


class RegistryRefusedError(TidelockError):
    """A registry understood and declined: it answered with an error status."""

    code = "TID-312"

    def __init__(self, answer: Answer, what: str, *, where: str) -> None:
        said = answer.body[:200].decode("utf-8", "replace").strip()
        super().__init__(f"{what}: the registry answered {answer.status} {said}".rstrip(), where=where)
        self.status = answer.status


@dataclass(frozen=True, slots=True)
class ApplicationsChanged:
    """Event: other instances are to be called for these applications.

    Args:
        client: whose copy changed.
        apps: names in upper case.
    """

    client: DiscoveryClient
    apps: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drained:
    """An instance is out of service.

    Args:
        acknowledged: watchers that have applied it.
        watchers: all watchers of the registry; 0 for registries that do not push.
    """

    acknowledged: int = 0
    watchers: int = 0

    @classmethod
    def of(cls, body: bytes) -> Drained:
        """Read what a registry says; those that do not push say nothing of it."""
        try:
            return msgspec.json.decode(body, type=cls)
        except msgspec.DecodeError:
            return cls()


@dataclass(slots=True)
class _Registration:
    """An instance of ours; renewed by `renewing` until that is cancelled."""

    instance: Instance
    is_known: bool = False
    renewing: asyncio.Task[None] | None = None


class DiscoveryClient:
    """A `runtime.Service`.

    1. `start()` fetches the registry once; without a registry it starts all the same and keeps trying.
    2. In the background registered instances are renewed, and the copy is kept up to date: by the registry's
       push where it has one, by fetching the delta otherwise.
    3. `stop()` cancels the leases of its instances.

    Args:
        settings: `eureka.client.*`.
        clock: the machine's unless a test brings its own.
        rng: spreads fetches and heartbeats of many clients.
    """

    def __init__(
        self,
        settings: DiscoverySettings | None = None,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings or DiscoverySettings()
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._connections = [
            Connection(
                Target.of(url),
                connect_timeout=self.settings.connect_timeout,
                read_timeout=self.settings.read_timeout,
            )
            for url in self.settings.service_url
        ]
        self._replica = Replica(only_up=self.settings.filter_only_up)
        self._is_complete = False
        self._registrations: dict[LeaseKey, _Registration] = {}
        self._fetching: asyncio.Task[None] | None = None
        listener = Listener(
            connections=lambda: self._connections,
            instances=lambda: tuple(self._registrations),
            wants_news=self.settings.fetch_registry,
            take=self._take,
        )
        timeout = self.settings.connect_timeout
        self._watching = Watching(listener, connect_timeout=timeout, rng=self._rng)
        self._refreshing = asyncio.Lock()
        self._failure: str | None = None

    # life cycle

    async def start(self) -> None:
        """Fetch the registry once and go on in the background; never fails for a registry that is down."""
        if self._fetching is None and self.settings.fetch_registry:
            await self._try(self.refresh)
            self._fetching = asyncio.create_task(self._fetch(), name="discovery fetch")
            self._watch()

    async def stop(self) -> None:
        """Cancel what was registered and stop; safe to call more than once."""
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
        registrations = [registration.instance for registration in self._registrations.values()]
        if self.settings.unregister_on_shutdown:
            await asyncio.gather(*map(self.cancel, registrations))
        else:
            await asyncio.gather(*map(self._forget, registrations))
        await self._watching.stop()  # last: an instance whose stream breaks before it leaves is suspect
        for connection in self._connections:
            connection.close()

    # own instances

    async def register(self, instance: Instance) -> bool:
        """Register an instance and renew it from now on; also announces a change of a registered one.

        Args:
            instance: its `last_dirty_timestamp` is set to now unless it says when it changed.

        Returns:
            Whether the registry has it. If it is down, registration is repeated in the background.

        Raises:
            RegistryRefusedError: the registry declines the instance; it is not renewed.
        """
        if not self.settings.register_with_eureka:
            return False
        key = (instance.app, instance.instance_id)
        registration = self._registrations.get(key)
        instance = self._dated(instance, registration)
        if registration is None:
            registration = self._registrations[key] = _Registration(instance)
        registration.instance = instance
        registration.is_known = False
        self._watch()
        try:
            await self._watched(lambda: self._announce(registration))
        except RegistryRefusedError:
            await self._forget(instance)
            raise
        except TidelockError:
            pass  # noted by _watched; the renewal repeats it
        if registration.renewing is None and key in self._registrations:
            registration.renewing = asyncio.create_task(
                self._renew(registration), name=f"renewal of {instance.app}"
            )
        return registration.is_known

    async def drain(self, instance: Instance, *, within: float = 1.0) -> Drained | None:
        """Take an instance out of service, so that callers stop choosing it; it stays registered.

        A registry of ours answers when all watchers have applied that, others at once.

        Args:
            instance: one of this client's or any other.
            within: seconds to wait for the watchers; at most half of the read timeout.

        Returns:
            How many watchers know; None when the registry was not told.
        """
        wait = min(within, self.settings.read_timeout / 2)
        path = f"{_path(instance)}/status?value={Status.OUT_OF_SERVICE.value}&wait={wait:g}"
        answer = await self._try(lambda: self._call("PUT", path))
        return Drained.of(answer.body) if answer is not None and answer.status == 200 else None

    async def cancel(self, instance: Instance) -> bool:
        """End an instance's lease and its renewal.

        Returns:
            Whether the registry was told; if not, the lease ends by itself.
        """
        await self._forget(instance)
        answer = await self._try(lambda: self._call("DELETE", _path(instance)))
        return answer is not None and answer.status == 200

    # other instances

    @property
    def is_pushed(self) -> bool:
        """Whether the registry pushes changes now; otherwise the delta is fetched. No IO."""
        return self._watching.is_live

    async def suspect(self, instance: Instance) -> bool:
        """Tell the registry that an instance refused a connection; it looks for itself.

        Returns:
            Whether the registry looks; those of Java do not.
        """
        query = urlencode({"app": instance.app, "id": instance.instance_id})
        answer = await self._try(lambda: self._call("POST", f"suspect?{query}"))
        return answer is not None and answer.status == 202

    async def report_calls(self, report: Report) -> bool:
        """Tell the registry whom a caller has called, for the page.

        Returns:
            Whether the registry takes it; those of Java do not, and need not be asked again.
        """
        answer = await self._try(lambda: self._call("POST", "calls", msgspec.json.encode(report)))
        return answer is not None and answer.status == 204

    def instances(self, app: str) -> Sequence[Instance]:
        """Return the instances to call, from the copy: UP only, unless configured otherwise. No IO.

        The same tuple is returned until something changes.
        """
        return self._replica.instances(app)

    def applications(self) -> tuple[str, ...]:
        """Return the names of all known applications, in upper case. No IO."""
        return self._replica.applications()

    def on_change(self, callback: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call back with the applications whose instances changed; returns the function that ends it.

        The callback runs in the client's event loop and must not block.
        """

        def filtered(event: ApplicationsChanged) -> None:
            if event.client is self:
                callback(event.apps)

        return observe.subscribe(ApplicationsChanged, filtered)

    async def refresh(self) -> None:
        """Fetch what changed now, or everything where that is not enough.

        Raises:
            RegistryUnreachableError: no registry answers.
            RegistryRefusedError: a registry declines.
            TidelockError: a registry answers something else than Eureka's documents.
        """
        async with self._refreshing:
            if self._is_complete and not self.settings.disable_delta and await self._fetch_delta():
                return
            answer = await self._call("GET", "apps/")
            if answer.status != 200:
                raise RegistryRefusedError(answer, "the registry cannot be fetched", where=self._where())
            changed = self._replica.replace(json.read_applications(answer.body))
            self._is_complete = True
            self._changed(changed)

    # inside

    async def _fetch_delta(self) -> bool:
        answer = await self._call("GET", "apps/delta")
        if answer.status != 200:
            return False  # 403: switched off, or the server is not ready for it
        changed, agrees = self._replica.merge(json.read_applications(answer.body))
        self._changed(changed)
        return agrees

    def _watch(self) -> None:
        if self.settings.watch:
            self._watching.start()

    async def _take(self, event: Event) -> bool:
        """Apply what the registry pushed; False when the copy does not agree with it afterwards."""
        if not self.settings.fetch_registry:
            return True
        document = json.read_applications(event.data)
        async with self._refreshing:
            if event.kind == FULL:
                changed, agrees = self._replica.replace(document), True
                self._is_complete = True
            else:
                changed, agrees = self._replica.merge(document)
        self._changed(changed)
        return agrees

    def _changed(self, apps: frozenset[str]) -> None:
        if apps:
            observe.emit(ApplicationsChanged(self, apps))

    async def _fetch(self) -> None:
        interval = self.settings.registry_fetch_interval

        async def look() -> None:
            if not self._watching.is_live:
                await self.refresh()

        await self._repeat(look, lambda: interval)

    async def _renew(self, registration: _Registration) -> None:
        async def beat() -> None:
            if registration.is_known:
                await self._heartbeat(registration)
            if not registration.is_known:
                await self._announce(registration)

        await self._repeat(beat, lambda: registration.instance.renewal_interval)

    async def _watched(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with a registry; say once that it fails, and once that it works again."""
        try:
            result = await work()
        except TidelockError as error:
            if self._failure != error.what:
                self._failure = error.what
                log.warning("%s; the copy of the registry is kept", error)
            raise
        if self._failure is not None:
            self._failure = None
            log.warning("the registry at %s answers again", self._where())
        return result

    async def _try(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """The same where failing is no reason to stop."""
        try:
            return await self._watched(work)
        except TidelockError:
            return None

    async def _repeat(self, work: Callable[[], Awaitable[None]], interval: Callable[[], float]) -> None:
        failures = 0
        while True:
            pause = min(interval(), BACKOFF * 2**failures) if failures else interval()
            await asyncio.sleep(pause * self._rng.uniform(0.9, 1.0))
            try:
                await self._watched(work)
                failures = 0
            except TidelockError:
                failures = min(failures + 1, 10)

    async def _announce(self, registration: _Registration) -> None:
        instance = registration.instance
        path = f"apps/{quote(instance.app, safe='')}?watcher={self._watching.watcher}"
        answer = await self._call("POST", path, json.write_instance(instance))
        if answer.status not in (200, 204):
            what = f"{instance.app} cannot be registered"
            raise RegistryRefusedError(answer, what, where=self._where())
        registration.is_known = registration.instance is instance

    async def _heartbeat(self, registration: _Registration) -> None:
        instance = registration.instance
        query = (
            f"status={instance.status.value}&lastDirtyTimestamp={instance.last_dirty_timestamp}"
            f"&watcher={self._watching.watcher}"
        )
        answer = await self._call("PUT", f"{_path(instance)}?{query}")
        if answer.status == 404:  # the lease was lost, or the registry has an older version of the instance
            registration.is_known = False
        elif answer.status != 200:
            raise RegistryRefusedError(answer, f"{instance.app} cannot be renewed", where=self._where())

    async def _forget(self, instance: Instance) -> None:
        registration = self._registrations.pop((instance.app, instance.instance_id), None)
        if registration is not None and registration.renewing is not None:
            registration.renewing.cancel()
            await asyncio.gather(registration.renewing, return_exceptions=True)

    def _dated(self, instance: Instance, known: _Registration | None) -> Instance:
        if instance.last_dirty_timestamp and (known is None or instance == known.instance):
            return instance
        now = int(self._clock.wall() * 1000)
        last = known.instance.last_dirty_timestamp if known else 0
        return msgspec.structs.replace(instance, last_dirty_timestamp=max(now, last + 1))

    async def _call(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Ask the registries in turn; the first that answers below 500 is asked first from then on.

        Raises:
            TidelockError: none answers below 500; the error of the last one.
        """
        failure: TidelockError = RegistryUnreachableError("no registry is configured")
        for connection in tuple(self._connections):
            try:
                answer = await connection.exchange(method, path, body)
            except TidelockError as error:
                failure = error
                continue
            if answer.status < 500:
                self._connections.remove(connection)
                self._connections.insert(0, connection)
                return answer
            what = f"the registry fails with status {answer.status}"
            failure = RegistryUnreachableError(what, where=connection.target.shown)
        raise failure

    def _where(self) -> str:
        return self._connections[0].target.shown


def _path(instance: Instance) -> str:
    return f"apps/{quote(instance.app, safe='')}/{quote(instance.instance_id, safe=':')}"
