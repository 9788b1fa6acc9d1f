"""The blocking client: `connect_blocking(Orders)` for interfaces, `BlockingClient().get(url)` for the rest.

The same flow, rules and parser as the asyncio client's, on sockets; no event loop runs in a call. One client
may be used from many threads, and should be: they share its connections and what it learned.

What a type checker sees: an interface declares coroutines, and Python's types cannot turn a class's methods
into plain ones. So `connect_blocking(Orders)` is a `Blocking[Orders]`. Called with the method first,
`orders(Orders.get, 42)`, arguments and result are checked, by mypy and pyright, without a plugin or generated
files. `orders.get(42)` does the same work and is `Any` to a checker.
"""

from __future__ import annotations

import inspect
import random
import ssl as tls
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
    runtime_checkable,
)

from tidelock.errors import TidelockError, UsageError
from tidelock.http.around import Around, BlockingExchanger
from tidelock.http.blocking import Waiting, drive
from tidelock.http.declarative import api_of
from tidelock.http.errors import CallError, NoInstance
from tidelock.http.exchange import Request, Response
from tidelock.http.fallback import Factory, Fallback
from tidelock.http.flow import ServiceState, call
from tidelock.http.hooks import NO_HOOKS, Hooks
from tidelock.http.paging import BlockingPage, Next, Page, Part
from tidelock.http.plan import at_page, plans
from tidelock.http.policies import Policies
from tidelock.http.policy import Policy
from tidelock.http.receiving import received_blocking
from tidelock.http.report import REPORTING, Report
from tidelock.http.services import LOOK_AGAIN, Caller, Services, plain_request, traced
from tidelock.http.source import Source
from tidelock.http.streaming import BlockingStream, Stream
from tidelock.http.wire.blocking import BlockingPools
from tidelock.runtime import Clock, SystemClock, sleeping

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


@runtime_checkable
class BlockingRefreshable(Protocol):
    """A source that can look again, for threads."""

    def refresh(self) -> None:
        """Bring the copy up to date now."""


class BlockingClient:
    """Calls services by name, and plain hosts; for threads.

    Args:
        source: where instances come from, with a blocking `refresh` if it can look again; environment, then
            registry, when None.
        policy: timeouts, retries, breaker, ejection.
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
        if inspect.iscoroutinefunction(getattr(source, "refresh", None)):
            hint = "leave `source` out, or give one whose refresh blocks"
            raise UsageError(
                f"{type(source).__name__} needs an event loop, and blocking code has none", hint=hint
            )
        clock = clock or SystemClock()
        self._owned: Any = None
        if source is None:
            from tidelock.http.background import Background  # they import the registry's client
            from tidelock.http.local import LocalFirst

            source = self._owned = Background(lambda: LocalFirst(clock))
        self._services = Services(source, Policies.of(policy), clock, rng or random.Random())
        self._can_look_again = isinstance(source, BlockingRefreshable)
        self._now = self._services.now
        self._hooks = hooks
        self.around: Around[BlockingExchanger] | None = None
        self._sleep = sleeping(clock)
        self._ssl = ssl
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._looked_at = -LOOK_AGAIN
        self.connections = BlockingPools(self._now, self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections, and the registry's client if it was ours; calls under way fail."""
        self.connections.close()
        if self._owned is not None:
            self._owned.close()

    def connect(
        self,
        interface: type[T],
        *,
        fallback: object | None = None,
        fallback_factory: Factory | None = None,
    ) -> Blocking[T]:
        """Return an object that calls the service that the interface names.

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
            instead = Fallback(interface, True, fallback, fallback_factory)
        return Blocking(Caller(interface, self, state, None, Blocking, instead))

    def service(self, name: str) -> ServiceState:
        """Return what is known about a service; for tests and diagnosis."""
        return self._services.state(name)

    def locate(self, url: str) -> tuple[ServiceState, str]:
        """Return whom a URL names, and the request's target.

        Raises:
            UsageError: it is no URL.
        """
        return self._services.locate(url)

    def new_key(self) -> str:
        """Return a fresh Idempotency-Key."""
        return self._services.new_key()

    def call(
        self, service: ServiceState, request: Request, seconds: float | None = None, pinned: str | None = None
    ) -> Response:
        """Carry out one logical call; see `Client.call`.

        Raises:
            CallError: no answer.
        """
        hooks = self._hooks
        request = traced(request)
        if hooks is NO_HOOKS:
            return self._carried_out(service, request, seconds, pinned)
        request = hooks.outgoing(request)
        answer = self._carried_out(service, request, seconds, pinned)
        return hooks.incoming(request, answer)

    def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        report = REPORTING.make(service, request, self._now(), self._can_look_again)
        try:
            return self._run(report, request, seconds, pinned)
        except NoInstance as error:
            if not self._can_look_again:
                raise
            has_looked = False
            try:
                has_looked = self._looked_again(error)
            finally:
                report.may_look_again = False
                if not has_looked:
                    report.tell(self._now())
            if not has_looked:
                raise
            return self._run(report, request, seconds, pinned)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Send a request; the answer comes back whatever its status. See `Client.request`.

        Raises:
            CallError: no answer.
            UsageError: the URL or method is none.
        """
        service, target = self._services.locate(url)
        return self.call(service, plain_request(method, target, headers, json, content), timeout)

    def get(self, url: str, **options: Any) -> Response:
        """Send GET; see `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send HEAD; see `request`."""
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        """Send POST; see `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        """Send PUT; see `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        """Send PATCH; see `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send DELETE; see `request`."""
        return self.request("DELETE", url, **options)

    def _run(self, report: Report, request: Request, seconds: float | None, pinned: str | None) -> Response:
        start = self._services.start(report.service, seconds, pinned)
        flow = call(request, report.service, start)
        exchanger: BlockingExchanger = self.connections
        if self.around is not None:
            exchanger = self.around(report.service, exchanger, self._services.clock)
        return drive(flow, report, exchanger, self._now, Waiting(self._lock, self._sleep))

    def _looked_again(self, error: NoInstance) -> bool:
        """Have the source refresh itself, once for all calls that miss an instance; say why it cannot."""
        source = self._services.source
        if not isinstance(source, BlockingRefreshable):
            return False
        missed_at = self._now()
        with self._looking:
            if self._looked_at >= missed_at:
                return True  # another call had it done while this one waited
            if missed_at < self._looked_at + LOOK_AGAIN:
                return False
            try:
                source.refresh()
            except TidelockError as why:
                error.hint = f"{why.what}; {why.hint}" if why.hint else why.what
                raise error from why
            finally:
                self._looked_at = self._now()
        return True

    def _context(self) -> tls.SSLContext:
        if self._ssl is None:
            self._ssl = tls.create_default_context()
        return self._ssl


class Blocking(Generic[T]):
    """An interface connected for blocking code; `with` closes the client behind it."""

    def __init__(self, caller: Caller) -> None:
        self._tidelock_caller = caller
        self._tidelock_plans = plans(caller.interface)

    @overload
    def __call__(
        self, method: Callable[Concatenate[T, P], Stream[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> BlockingStream[R]: ...

    @overload
    def __call__(
        self, method: Callable[Concatenate[T, P], Page[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> BlockingPage[R]: ...

    @overload
    def __call__(
        self,
        method: Callable[Concatenate[T, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...

    def __call__(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the interface: `orders(Orders.get, 42)`.

        Raises:
            UsageError: the interface has no such method.
            CallError: the call failed; or what the interface's error map names.
        """
        return getattr(self, method.__name__)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        caller: Caller = self.__dict__["_tidelock_caller"]
        plan = self.__dict__["_tidelock_plans"].get(name)
        if plan is None:
            if name.startswith("__"):
                raise AttributeError(name)
            raise UsageError(f"{caller.interface.__qualname__} has no method {name!r}")
        client: BlockingClient = caller.client

        def paged(*args: Any, **kwargs: Any) -> BlockingPage[Any]:
            request = plan.request(args, kwargs, client.new_key)

            def fetch(where: Next | None) -> Part[Any]:
                asked = request if where is None else at_page(request, where)
                answer = client.call(caller.service, asked, plan.timeout, caller.pinned)
                return cast("Part[Any]", plan.part(answer))

            return BlockingPage(fetch)

        def streamed(*args: Any, **kwargs: Any) -> BlockingStream[Any]:
            request = plan.request(args, kwargs, client.new_key)
            return received_blocking(
                plan, lambda: client.call(caller.service, request, plan.timeout, caller.pinned)
            )

        def method(*args: Any, **kwargs: Any) -> Any:
            request = plan.request(args, kwargs, client.new_key)
            try:
                return plan.result(client.call(caller.service, request, plan.timeout, caller.pinned))
            except CallError as error:
                fallback = caller.fallback
                instead = None if fallback is None else fallback.method(name, error)
                if instead is None:
                    raise
                return instead(*args, **kwargs)

        made: Callable[..., Any] = {"page": paged, "stream": streamed}.get(plan.operation.shape, method)
        self.__dict__[name] = made  # found without __getattr__ from now on
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tidelock_caller.client.close()


def connect_blocking(
    interface: type[T],
    *,
    source: Source | None = None,
    policy: Policy | Policies | None = None,
    hooks: Hooks = NO_HOOKS,
    fallback: object | None = None,
    fallback_factory: Factory | None = None,
) -> Blocking[T]:
    """Return an object that calls the service that the interface names, with a BlockingClient of its own.

    Args:
        interface: a class decorated with `@api`.
        source: where instances come from; environment, then registry, when None.
        policy: timeouts, retries, breaker, ejection.
        hooks: functions that see every call.
        fallback: answers when the service cannot: an object of a subclass of the interface.
        fallback_factory: makes what answers, for an error; None from it raises the error.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    client = BlockingClient(source, policy=policy, hooks=hooks)
    return client.connect(interface, fallback=fallback, fallback_factory=fallback_factory)
