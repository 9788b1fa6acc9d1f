"""The asyncio client: `connect(Orders)` for interfaces, `Client().get(url)` for the rest.

A Client owns the connections, and per service what it learned about it (peers, breakers, budget);
interfaces connected through one Client share all that. It may be used from several event loops: connections
belong to the loop that made them. Close it (`async with Client() as http`, or `await close(orders)`), or
connections stay open until the process ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import ssl as tls
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

from tidelock.discovery.instance import Instance
from tidelock.errors import TidelockError
from tidelock.http.aio import drive
from tidelock.http.around import Around, Exchanger
from tidelock.http.declarative import api_of
from tidelock.http.errors import CallError, NoInstance
from tidelock.http.exchange import Request, Response
from tidelock.http.fallback import Factory, Fallback
from tidelock.http.flow import ServiceState, Start, call
from tidelock.http.hooks import NO_HOOKS, Hooks
from tidelock.http.paging import Next, Page, Part
from tidelock.http.plan import Plan, at_page, plans
from tidelock.http.policies import Policies
from tidelock.http.policy import Policy
from tidelock.http.receiving import received
from tidelock.http.report import REPORTING, Report
from tidelock.http.services import (
    CALLER_ATTRIBUTE,
    LOOK_AGAIN,
    Caller,
    Services,
    caller_of,
    plain_request,
    traced,
)
from tidelock.http.source import RefreshableSource, Source
from tidelock.http.streaming import Stream
from tidelock.http.wire.pool import Pools
from tidelock.runtime import Clock, SystemClock

T = TypeVar("T")


class Client:
    """Calls services by name, and plain hosts.

    Args:
        source: where instances come from; `local.LocalFirst` when None.
        policy: timeouts, retries, breaker, ejection; one for all services, or `Policies`.
        ssl: for instances that want TLS; the system's trust store when None.
        clock: time; the system's when None.
        rng: randomness for balancing, pauses and keys.
        hooks: functions that see every call.

    Attributes:
        around: stands between the rules and the bytes; for tests, see `around`.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        policy: Policy | Policies | None = None,
        ssl: tls.SSLContext | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        clock = clock or SystemClock()
        self._ssl = ssl
        self._owned: Any = None
        self._looking = asyncio.Lock()
        self._looked_at = -LOOK_AGAIN
        if source is None:
            from tidelock.http.local import LocalFirst  # it imports the registry's client

            source = self._owned = LocalFirst(clock)
        self._services = Services(source, Policies.of(policy), clock, rng or random.Random())
        self._can_look_again = isinstance(source, RefreshableSource)
        self._now = self._services.now
        self._hooks = hooks
        self.around: Around[Exchanger] | None = None
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

    def connect(
        self,
        interface: type[T],
        *,
        fallback: T | None = None,
        fallback_factory: Factory | None = None,
    ) -> T:
        """Return an object that is an `interface` and calls the service it names.

        Args:
            interface: a class decorated with `@api`.
            fallback: answers when the service cannot; see `fallback`.
            fallback_factory: makes what answers, for an error.

        Raises:
            UsageError: the interface has a method that cannot be a call.
        """
        plans(interface)
        state = self.service(api_of(interface).service)
        instead = None
        if fallback is not None or fallback_factory is not None:
            instead = Fallback(interface, False, fallback, fallback_factory)
        return cast("T", _new(Caller(interface, self, state, None, _new, instead)))

    @property
    def connections(self) -> Pools:
        """The connections of the running event loop; for tests and diagnosis."""
        return self._pools_of(asyncio.get_running_loop())

    def locate(self, url: str) -> tuple[ServiceState, str]:
        """Return whom a URL names, and the request's target.

        Raises:
            UsageError: it is no URL.
        """
        return self._services.locate(url)

    def new_key(self) -> str:
        """Return a fresh Idempotency-Key."""
        return self._services.new_key()

    def service(self, name: str) -> ServiceState:
        """Return what is known about a service; for tests and diagnosis."""
        return self._services.state(name)

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
        hooks = self._hooks
        request = traced(request)
        if hooks is NO_HOOKS:
            return await self._carried_out(service, request, seconds, pinned)
        request = await hooks.outgoing_async(request)
        answer = await self._carried_out(service, request, seconds, pinned)
        return await hooks.incoming_async(request, answer)

    async def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        start = self._services.start(service, seconds, pinned)
        report = REPORTING.make(service, request, start.now, self._can_look_again)
        try:
            return await self._run(report, request, start)
        except NoInstance as error:
            if not self._can_look_again:
                raise
            await self._look_again(report, error)
            return await self._run(report, request, self._services.start(service, seconds, pinned))

    async def _look_again(self, report: Report, error: NoInstance) -> None:
        """Return if calling once more may help; else raise what the call ends with."""
        has_looked = False
        try:
            has_looked = await self._looked_again(error)
        finally:
            report.may_look_again = False
            if not has_looked:
                report.tell(self._now())
        if not has_looked:
            raise error

    async def _looked_again(self, error: NoInstance) -> bool:
        """Have the source refresh itself, once for all calls that miss an instance; say why it cannot."""
        if not isinstance(self._services.source, RefreshableSource):
            return False
        missed_at = self._now()
        async with self._looking:
            if self._looked_at >= missed_at:
                return True  # another call had it done while this one waited
            if missed_at < self._looked_at + LOOK_AGAIN:
                return False
            try:
                await self._services.source.refresh()
            except TidelockError as why:
                error.hint = f"{why.what}; {why.hint}" if why.hint else why.what
                raise error from why
            finally:
                self._looked_at = self._now()
        return True

    def _run(self, report: Report, request: Request, start: Start) -> Coroutine[Any, Any, Response]:
        flow = call(request, report.service, start)
        loop = asyncio.get_running_loop()
        pools = self._current if loop is self._loop and self._current is not None else self._pools_of(loop)
        if self.around is None:
            return drive(flow, report, pools, self._now)
        return drive(flow, report, self.around(report.service, pools, self._services.clock), self._now)

    def _pools_of(self, loop: asyncio.AbstractEventLoop) -> Pools:
        pools = self._pools.get(loop)
        if pools is None:
            pools = Pools(loop, self._now, self._context)
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
        service, target = self._services.locate(url)
        return await self.call(service, plain_request(method, target, headers, json, content), timeout)

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


_classes: dict[type, type] = {}


def _new(caller: Caller) -> object:
    interface = caller.interface
    cls = _classes.get(interface)
    if cls is None:
        methods = {name: _MAKERS[plan.operation.shape](plan) for name, plan in plans(interface).items()}
        cls = _classes[interface] = type(f"{interface.__name__}Client", (interface,), methods)
    made: object = object.__new__(cls)
    setattr(made, CALLER_ATTRIBUTE, caller)
    return made


def _method(plan: Plan) -> Callable[..., Any]:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        caller: Caller = self._tidelock_caller
        client = caller.client
        request = plan.request(args, kwargs, client.new_key)
        try:
            return plan.result(await client.call(caller.service, request, plan.timeout, caller.pinned))
        except CallError as error:
            fallback = caller.fallback
            instead = None if fallback is None else fallback.method(plan.operation.name, error)
            if instead is None:
                raise
            return await instead(*args, **kwargs)

    method.__name__ = plan.operation.name
    method.__qualname__ = f"{plan.operation.label} as {plan.operation.name}"
    return method


def _paged(plan: Plan) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Page[Any]:
        caller: Caller = self._tidelock_caller
        client = caller.client
        request = plan.request(args, kwargs, client.new_key)

        async def fetch(where: Next | None) -> Part[Any]:
            asked = request if where is None else at_page(request, where)
            return plan.part(await client.call(caller.service, asked, plan.timeout, caller.pinned))

        return Page(fetch)

    method.__name__ = plan.operation.name
    return method


def _streamed(plan: Plan) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Stream[Any]:
        caller: Caller = self._tidelock_caller
        client = caller.client
        request = plan.request(args, kwargs, client.new_key)
        return received(plan, lambda: client.call(caller.service, request, plan.timeout, caller.pinned))

    method.__name__ = plan.operation.name
    return method


_MAKERS: dict[str, Callable[[Plan], Callable[..., Any]]] = {
    "value": _method,
    "page": _paged,
    "stream": _streamed,
}


def connect(
    interface: type[T],
    *,
    source: Source | None = None,
    policy: Policy | Policies | None = None,
    hooks: Hooks = NO_HOOKS,
    fallback: T | None = None,
    fallback_factory: Factory | None = None,
) -> T:
    """Return an object that is an `interface` and calls the service it names, with a Client of its own.

    Args:
        interface: a class decorated with `@api`.
        source: where instances come from; environment, then registry, when None.
        policy: timeouts, retries, breaker, ejection; one for all services, or `Policies`.
        hooks: functions that see every call.
        fallback: answers when the service cannot: an object of a subclass of the interface.
        fallback_factory: makes what answers, for an error; None from it raises the error.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    client = Client(source, policy=policy, hooks=hooks)
    return client.connect(interface, fallback=fallback, fallback_factory=fallback_factory)


def at(connected: T, instance: str | Instance) -> T:
    """Return the same interface pinned to one instance: to ask it again after `InDoubt`.

    Its calls go to this instance or fail with NoInstance; ejection does not apply to it.

    Args:
        connected: what `connect` returned.
        instance: an instance, or its id.
    """
    caller = caller_of(connected)
    instance_id = instance if isinstance(instance, str) else instance.instance_id
    return cast("T", caller.make(dataclasses.replace(caller, pinned=instance_id)))


def instances(connected: object) -> Sequence[Instance]:
    """Return the instances that a connected interface would choose from now."""
    return caller_of(connected).service.instances()


async def close(connected: object) -> None:
    """Close the Client behind a connected interface, and with it all interfaces that share it."""
    await caller_of(connected).client.close()
