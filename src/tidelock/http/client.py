"""The asyncio client: `connect(Orders)` for interfaces, `Client().get(url)` for the rest.

A Client owns the connections, and per service what it learned about it (peers, breakers, budget);
interfaces connected through one Client share all that. It may be used from several event loops: connections
belong to the loop that made them. Close it (`async with Client() as http`, or `await close(orders)`), or
connections stay open until the process ends.
"""

from __future__ import annotations

import asyncio
import random
import ssl as tls
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

import msgspec

from tidelock.discovery.instance import Instance
from tidelock.errors import TidelockError, UsageError
from tidelock.http.aio import drive
from tidelock.http.deadlines import current_deadline
from tidelock.http.declarative import api_of, operations
from tidelock.http.errors import NoInstance
from tidelock.http.exchange import Request, Response
from tidelock.http.flow import Policy, ServiceState, Start, call
from tidelock.http.plan import USER_AGENT, Plan
from tidelock.http.retry import IDEMPOTENT_METHODS
from tidelock.http.source import RefreshableSource, Source, instance_at
from tidelock.http.wire.head import TOKEN, check_target, header_lines
from tidelock.http.wire.pool import Pools
from tidelock.runtime import Clock, SystemClock

T = TypeVar("T")

LOOK_AGAIN = 0.1
"""Seconds between two refreshes of a source that knows no instance: many calls are not many fetches."""

OURS = ("host", "content-length", "transfer-encoding", "connection", "x-envoy-expected-rq-timeout-ms")
"""Headers that the engine writes; given ones are dropped."""

CALLER_ATTRIBUTE = "_tidelock_caller"


class Client:
    """Calls services by name, and plain hosts.

    Args:
        source: where instances come from; `local.LocalFirst` when None.
        policy: timeouts, retries, breaker, ejection.
        ssl: for instances that want TLS; the system's trust store when None.
        clock: time; the system's when None.
        rng: randomness for balancing, pauses and keys.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        policy: Policy | None = None,
        ssl: tls.SSLContext | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._now = self._clock.monotonic
        self._policy = policy or Policy()
        self._rng = rng or random.Random()
        self._draw = self._rng.random
        self._ssl = ssl
        self._owned: Any = None
        self._looking = asyncio.Lock()
        self._looked_at = -LOOK_AGAIN
        if source is None:
            from tidelock.http.local import LocalFirst  # it imports the registry's client

            source = self._owned = LocalFirst(self._clock)
        self._source = source
        self._services: dict[str, ServiceState] = {}
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pools] = weakref.WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current: Pools | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections, and the registry's client if it was ours; calls under way fail."""
        for pools in self._pools.values():
            pools.close()
        self._pools.clear()
        self._loop = self._current = None
        if self._owned is not None:
            await self._owned.close()

    def connect(self, interface: type[T]) -> T:
        """Return an object that is an `interface` and calls the service it names.

        Raises:
            UsageError: the interface has a method that cannot be a call.
        """
        return _new(interface, Caller(self, api_of(interface).service, None))

    @property
    def connections(self) -> Pools:
        """The connections of the running event loop; for tests and diagnosis."""
        return self._pools_of(asyncio.get_running_loop())

    def new_key(self) -> str:
        """Return a fresh Idempotency-Key."""
        return f"{self._rng.getrandbits(128):032x}"

    def service(self, name: str) -> ServiceState:
        """Return what is known about a service; for tests and diagnosis."""
        state = self._services.get(name)
        if state is None:
            state = ServiceState(name, lambda: self._source.instances(name), self._policy)
            self._services[name] = state
        return state

    async def call(
        self, service: ServiceState, request: Request, seconds: float | None = None, pinned: str | None = None
    ) -> Response:
        """Carry out one logical call.

        Args:
            service: see `service`.
            request: what to send.
            seconds: for the whole call; None takes the policy's. The current deadline holds as well.
            pinned: only this instance id.

        Raises:
            CallError: no answer.
        """
        try:
            return await self._run(service, request, seconds, pinned)
        except NoInstance as error:
            if not await self._looked_again(error):
                raise
            return await self._run(service, request, seconds, pinned)

    async def _looked_again(self, error: NoInstance) -> bool:
        """Have the source refresh itself, once for all calls that miss an instance; say why it cannot."""
        if not isinstance(self._source, RefreshableSource):
            return False
        missed_at = self._now()
        async with self._looking:
            if self._looked_at >= missed_at:
                return True  # another call had it done while this one waited
            if missed_at < self._looked_at + LOOK_AGAIN:
                return False
            try:
                await self._source.refresh()
            except TidelockError as why:
                error.hint = f"{why.what}; {why.hint}" if why.hint else why.what
                raise error from why
            finally:
                self._looked_at = self._now()
        return True

    async def _run(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        now = self._now()
        patience = self._policy.call.timeout if seconds is None else seconds
        deadline = min(now + patience, current_deadline())
        flow = call(request, service, Start(now, deadline, self._draw, pinned))
        loop = asyncio.get_running_loop()
        pools = self._current if loop is self._loop and self._current is not None else self._pools_of(loop)
        return await drive(flow, service, request.label, pools, self._now)

    def _pools_of(self, loop: asyncio.AbstractEventLoop) -> Pools:
        pools = self._pools.get(loop)
        if pools is None:
            pools = Pools(loop, self._now, self._policy.call.connect_timeout, self._context)
            self._pools[loop] = pools
        self._loop, self._current = loop, pools
        return pools

    def _context(self) -> tls.SSLContext:
        if self._ssl is None:
            self._ssl = tls.create_default_context()
        return self._ssl

    # calls without an interface

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  the flow keeps the deadline, over all attempts
    ) -> Response:
        """Send a request; the answer comes back whatever its status. Redirects are not followed.

        Args:
            method: GET, POST, ...
            url: `http://order-service/orders/42`, or a plain `http://host:port/path`. A host without dot
                and port is a service's name; `localhost` is not.
            headers: with an `Idempotency-Key` any method may be repeated.
            json: encoded as the body, if given.
            content: the body, if given.
            timeout: seconds.

        Raises:
            CallError: no answer.
            UsageError: the URL or method is none.
        """
        service, target = self._locate(url)
        verb = method.upper()
        if not TOKEN.fullmatch(verb):
            raise UsageError(f"{method!r} is no HTTP method")
        lines = {name.lower(): value for name, value in (headers or {}).items()}
        idempotent = verb in IDEMPOTENT_METHODS or "idempotency-key" in lines
        body = content
        if json is not None:
            body = msgspec.json.encode(json)
            lines.setdefault("content-type", "application/json")
        if body is None and verb in ("POST", "PUT", "PATCH"):
            body = b""
        defaults = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": USER_AGENT}
        given = {**defaults, **lines}
        for ours in OURS:
            given.pop(ours, None)
        label = f"{verb} {target.partition('?')[0]}"
        request = Request(verb, target, header_lines(given.items()), body, label, verb, idempotent)
        return await self.call(service, request, timeout)

    async def get(self, url: str, **options: Any) -> Response:
        """Send GET; see `request`."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Any) -> Response:
        """Send HEAD; see `request`."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """Send POST; see `request`."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> Response:
        """Send PUT; see `request`."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> Response:
        """Send PATCH; see `request`."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Any) -> Response:
        """Send DELETE; see `request`."""
        return await self.request("DELETE", url, **options)

    def _locate(self, url: str) -> tuple[ServiceState, str]:
        scheme, _, rest = url.partition("://")
        authority, slash, tail = rest.partition("/")
        if "?" in authority:
            raise UsageError(f"{url!r} has no path before its query", hint="write http://host/?query")
        target = check_target(slash + tail.partition("#")[0] if slash else "/")
        is_name = scheme == "http" and not set(authority) & set(".:[]@") and authority != "localhost"
        if is_name and authority:
            return self.service(authority), target
        root = f"{scheme}://{authority}"
        state = self._services.get(root)
        if state is None:
            fixed = (instance_at(authority, root),)
            state = self._services[root] = ServiceState(authority, lambda: fixed, self._policy)
        return state, target


class Caller:
    """What a connected interface holds: whom it calls, and through what."""

    __slots__ = ("client", "pinned", "service")

    def __init__(self, client: Client, service: str, pinned: str | None) -> None:
        self.client = client
        self.service = client.service(service)
        self.pinned = pinned


_classes: dict[type, type] = {}


def _new(interface: type[T], caller: Caller) -> T:
    cls = _classes.get(interface)
    if cls is None:
        service = api_of(interface).service
        methods = {operation.name: _method(Plan(operation, service)) for operation in operations(interface)}
        cls = _classes[interface] = type(f"{interface.__name__}Client", (interface,), methods)
    made = cast("T", object.__new__(cls))
    setattr(made, CALLER_ATTRIBUTE, caller)
    return made


def _method(plan: Plan) -> Callable[..., Any]:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        caller: Caller = self._tidelock_caller
        client = caller.client
        request = plan.request(args, kwargs, client.new_key)
        return plan.result(await client.call(caller.service, request, plan.timeout, caller.pinned))

    method.__name__ = plan.operation.name
    method.__qualname__ = f"{plan.operation.label} as {plan.operation.name}"
    return method


def connect(interface: type[T], *, source: Source | None = None, policy: Policy | None = None) -> T:
    """Return an object that is an `interface` and calls the service it names, with a Client of its own.

    Args:
        interface: a class decorated with `@api`.
        source: where instances come from; environment, then registry, when None.
        policy: timeouts, retries, breaker, ejection.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    return Client(source, policy=policy).connect(interface)


def caller_of(connected: object) -> Caller:
    """Return what a connected interface holds.

    Raises:
        UsageError: it is not connected.
    """
    found = getattr(connected, CALLER_ATTRIBUTE, None)
    if not isinstance(found, Caller):
        raise UsageError(f"{type(connected).__name__} is not connected", hint="use what connect() returned")
    return found


def at(connected: T, instance: str | Instance) -> T:
    """Return the same interface pinned to one instance: to ask it again after `InDoubt`.

    Its calls go to this instance or fail with NoInstance; ejection does not apply to it.

    Args:
        connected: what `connect` returned.
        instance: an instance, or its id.
    """
    caller = caller_of(connected)
    instance_id = instance if isinstance(instance, str) else instance.instance_id
    interface = type(connected).__mro__[1]
    return _new(interface, Caller(caller.client, caller.service.name, instance_id))


def instances(connected: object) -> Sequence[Instance]:
    """Return the instances that a connected interface would choose from now."""
    return caller_of(connected).service.instances()


async def close(connected: object) -> None:
    """Close the Client behind a connected interface, and with it all interfaces that share it."""
    await caller_of(connected).client.close()
