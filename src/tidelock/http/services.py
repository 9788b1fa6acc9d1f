"""What a client of either flavour knows and decides without IO: services, requests, deadlines, keys.

`client` (asyncio) and `blocking_client` own one `Services` each and add only how bytes move. May import the
rules and the sources, no driver. Invariants: one `ServiceState` per name, shared by all who ask; `KNOWN` has
every client's `Services` as long as the client lives, so that figures can say how its breakers are.
"""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidelock.errors import UsageError
from tidelock.http.breaker import State
from tidelock.http.deadlines import current_deadline
from tidelock.http.exchange import Request
from tidelock.http.fallback import Fallback
from tidelock.http.flow import ServiceState, Start
from tidelock.http.hooks import with_headers
from tidelock.http.plan import USER_AGENT
from tidelock.http.policies import Policies
from tidelock.http.retry import IDEMPOTENT_METHODS
from tidelock.http.source import Source, instance_at
from tidelock.http.tracing import current_trace
from tidelock.http.wire.codings import accepted
from tidelock.http.wire.head import TOKEN, check_target, header_lines
from tidelock.runtime import Clock

LOOK_AGAIN = 0.1
"""Seconds between two refreshes of a source that knows no instance: many calls are not many fetches."""

OURS = ("host", "content-length", "transfer-encoding", "connection", "x-envoy-expected-rq-timeout-ms")
"""Headers that the engine writes; given ones are dropped."""

CALLER_ATTRIBUTE = "_tidelock_caller"


class Services:
    """The services that one client calls.

    Args:
        source: where instances come from.
        policies: timeouts, retries, breaker, ejection, per service.
        clock: time.
        rng: randomness for balancing, pauses and keys.
    """

    def __init__(self, source: Source, policies: Policies, clock: Clock, rng: random.Random) -> None:
        self.source = source
        self._policies = policies
        self.clock = clock
        self.now = clock.monotonic
        self._rng = rng
        self._draw = rng.random
        self._states: dict[str, ServiceState] = {}
        KNOWN.add(self)

    def states(self) -> tuple[ServiceState, ...]:
        """Return what is known about every service called so far; from any thread."""
        return tuple(self._states.values())

    def state(self, name: str) -> ServiceState:
        """Return what is known about a service; made on first use."""
        found = self._states.get(name)
        if found is None:
            made = ServiceState(name, lambda: self.source.instances(name), self._policies.for_service(name))
            found = self._states.setdefault(name, made)
        return found

    def new_key(self) -> str:
        """Return a fresh Idempotency-Key."""
        return f"{self._rng.getrandbits(128):032x}"

    def start(self, service: ServiceState, seconds: float | None, pinned: str | None) -> Start:
        """Return how a call begins now: its own patience or the service's, and the current deadline."""
        now = self.now()
        deadline = now + (service.policy.call.timeout if seconds is None else seconds)
        inherited = current_deadline()
        return Start(now, deadline if deadline < inherited else inherited, self._draw, pinned)

    def locate(self, url: str) -> tuple[ServiceState, str]:
        """Return whom a URL names, and the request's target.

        Raises:
            UsageError: it is no URL.
        """
        scheme, _, rest = url.partition("://")
        authority, slash, tail = rest.partition("/")
        if "?" in authority:
            raise UsageError(f"{url!r} has no path before its query", hint="write http://host/?query")
        target = check_target(slash + tail.partition("#")[0] if slash else "/")
        is_name = scheme == "http" and not set(authority) & set(".:[]@") and authority != "localhost"
        if is_name and authority:
            return self.state(authority), target
        root = f"{scheme}://{authority}"
        state = self._states.get(root)
        if state is None:
            fixed = (instance_at(authority, root),)
            state = self._states.setdefault(
                root, ServiceState(authority, lambda: fixed, self._policies.default)
            )
        return state, target


WORST_FIRST = (
    State.FORCED_OPEN,
    State.OPEN,
    State.HALF_OPEN,
    State.CLOSED,
    State.METRICS_ONLY,
    State.DISABLED,
)


class Known:
    """The services of all clients that live in this process; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0
        self._all: weakref.WeakValueDictionary[int, Services] = weakref.WeakValueDictionary()

    def add(self, services: Services) -> None:
        """Note a client's services; they are forgotten with it."""
        with self._lock:
            self._made += 1
            self._all[self._made] = services

    def breakers(self) -> dict[tuple[str, str], State]:
        """Return service and group of calls -> state of the breaker, oldest first.

        Where several clients have one, it is the worst state.
        """
        with self._lock:
            clients = list(self._all.values())
        found: dict[tuple[str, str], State] = {}
        for service in (each for client in clients for each in client.states()):
            for group, breaker in tuple(service.breakers.items()):
                both = (breaker.state, found.get((service.name, group), breaker.state))
                found[service.name, group] = min(both, key=WORST_FIRST.index)
        return found


KNOWN = Known()


def traced(request: Request) -> Request:
    """Return a request that says its trace, if there is one and it names none yet."""
    context = current_trace()
    if context is None or b"traceparent: " in request.head:
        return request
    return with_headers(request, context.headers())


def plain_request(
    method: str, target: str, headers: Mapping[str, str] | None, json: Any, content: bytes | None
) -> Request:
    """Build a request that no interface declares.

    Raises:
        UsageError: the method is none.
        LocalProtocolError: a header that would break out of its line.
    """
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
    given = {"accept": "*/*", "accept-encoding": accepted(), "user-agent": USER_AGENT, **lines}
    for ours in OURS:
        given.pop(ours, None)
    label = f"{verb} {target.partition('?')[0]}"
    return Request(verb, target, header_lines(given.items()), body, label, verb, idempotent)


@dataclass(frozen=True, slots=True)
class Caller:
    """What a connected interface holds: whom it calls, and through what.

    Attributes:
        interface: the class with `@api`.
        client: a Client or a BlockingClient.
        service: what is known about whom it calls.
        pinned: the only instance id that will do, or None.
        make: makes an object of the same flavour around another Caller.
        fallback: what answers when the service cannot.
    """

    interface: type
    client: Any
    service: ServiceState
    pinned: str | None
    make: Callable[[Caller], Any]
    fallback: Fallback | None = None


def caller_of(connected: object) -> Caller:
    """Return what a connected interface holds.

    Raises:
        UsageError: it is not connected.
    """
    found = getattr(connected, CALLER_ATTRIBUTE, None)
    if not isinstance(found, Caller):
        raise UsageError(f"{type(connected).__name__} is not connected", hint="use what connect() returned")
    return found
