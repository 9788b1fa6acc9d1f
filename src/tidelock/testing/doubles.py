"""`fake(Orders)`: a double of a service that says what it is told, remembers calls, and refuses wrong types.

Calls go the client's whole way to the bytes of a request and back through the server's reading of it, so a
double cannot be called, nor answer, in a way that a real service would not understand. What was not scripted
is an error, never a silent None.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from tidelock.errors import UsageError
from tidelock.http.answering import BadRequest, Endpoint
from tidelock.http.blocking_client import Blocking, BlockingClient
from tidelock.http.client import Client
from tidelock.http.codec import encoder
from tidelock.http.declarative import operations
from tidelock.http.errors import DecodeFailed
from tidelock.http.exchange import Request, Response
from tidelock.http.flow import ServiceState
from tidelock.http.paging import Page, Part, write_part
from tidelock.http.plan import plans
from tidelock.http.source import StaticSource
from tidelock.testing.requests import RequestAsked

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a double got: the method's name, and the arguments as the server reads them."""

    method: str
    arguments: dict[str, Any]


class Script(Generic[R]):
    """What one method of a double answers: in the order given, the last one for ever."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self._check = check
        self._outcomes: list[Callable[[dict[str, Any]], Any]] = []

    def returns(self, *values: R) -> Script[R]:
        """Answer these values, one after the other.

        Raises:
            TypeError: one is not what the interface declares.
        """
        for value in values:
            self._check(value)
            self._outcomes.append(functools.partial(_same, value))
        return self

    def raises(self, error: Exception) -> Script[R]:
        """Fail with this error: one of the interface's error map, or a CallError."""

        def fail(arguments: dict[str, Any]) -> Any:
            raise error

        self._outcomes.append(fail)
        return self

    def answers(self, function: Callable[..., R]) -> Script[R]:
        """Answer what a function of the method's arguments returns."""
        self._outcomes.append(lambda arguments: function(**arguments))
        return self

    def next(self, call: Call) -> Any:
        """Return, or raise, what is next.

        Raises:
            UsageError: nothing was scripted.
        """
        if not self._outcomes:
            raise UsageError(
                f"the double was called: {call.method}({call.arguments}), and nothing is scripted for it",
                hint=f"double.on(TheInterface.{call.method}).returns(...)",
            )
        outcome = self._outcomes[0] if len(self._outcomes) == 1 else self._outcomes.pop(0)
        return outcome(call.arguments)


def _same(value: Any, arguments: dict[str, Any]) -> Any:
    return value


class Fake(Generic[T]):
    """A double of one interface.

    Attributes:
        api: the double as asyncio code sees the service.
        blocking: the same as blocking code sees it.
        calls: what was called, in order.
    """

    api: T
    blocking: Blocking[T]

    def __init__(self, interface: type[T]) -> None:
        self.calls: list[Call] = []
        self._operations = {each.label: each for each in operations(interface)}
        self._endpoints = {label: Endpoint(each) for label, each in self._operations.items()}
        self._plans = plans(interface)
        self._scripts = {
            each.name: Script[Any](functools.partial(self._checked, label))
            for label, each in self._operations.items()
        }
        self.api = _FakeClient(self.answer).connect(interface)
        self.blocking = _BlockingFakeClient(self.answer).connect(interface)

    @overload
    def on(self, method: Callable[Concatenate[T, P], Page[R]], /) -> Script[list[R]]: ...

    @overload
    def on(self, method: Callable[Concatenate[T, P], Coroutine[Any, Any, R]], /) -> Script[R]: ...

    def on(self, method: Callable[..., Any], /) -> Script[Any]:
        """Script a method: `double.on(Orders.get).returns(Order(1))`; a `Page` is given as a list.

        Raises:
            UsageError: the interface has no such method, or it is a stream, which doubles do not have.
        """
        script = self._scripts.get(method.__name__)
        if script is None:
            raise UsageError(f"the interface has no method {method.__name__!r}")
        if self._plans[method.__name__].operation.shape == "stream":
            raise UsageError(f"{method.__name__} is a stream", hint="connect() to an application that has it")
        return script

    def answer(self, request: Request) -> Response:
        """Answer a request as scripted.

        Raises:
            TypeError: an argument is not of the declared type.
        """
        operation, endpoint = self._operations[request.label], self._endpoints[request.label]
        try:
            arguments = endpoint.values(RequestAsked(request, operation.path), request.body or b"")
        except BadRequest as error:
            raise TypeError(f"{operation.name}: {error}") from None
        call = Call(operation.name, arguments)
        self.calls.append(call)
        result = self._scripts[operation.name].next(call)
        self._checked(request.label, result)
        return self._response(request.label, result)

    def _response(self, label: str, value: Any) -> Response:
        operation = self._operations[label]
        if operation.shape == "page":
            kind: Any = list[operation.result]  # type: ignore[name-defined]  # a type made at run time
            return Response(200, [], write_part(Part(list(value), None), encoder(kind)))
        made = self._endpoints[label].answer(value)
        return Response(made.status, [(b"content-type", (made.media or "").encode())], made.body)

    def _checked(self, label: str, value: Any) -> None:
        operation = self._operations[label]
        plan = self._plans[operation.name]
        if value is None and operation.result not in (None, type(None)) and not operation.optional:
            raise TypeError(f"{operation.name} returns {operation.result}, not None")
        try:
            response = self._response(label, value)
            if operation.shape == "page":
                plan.part(response)
            elif not isinstance(value, Response):
                plan.result(response)
        except (TypeError, ValueError, DecodeFailed) as error:
            raise TypeError(f"{operation.name} does not return {value!r}: {error}") from None


def fake(interface: type[T]) -> Fake[T]:
    """Return a double of an interface.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    return Fake(interface)


class _FakeClient(Client):
    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__(StaticSource({}))
        self._answer = answer

    async def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        return self._answer(request)


class _BlockingFakeClient(BlockingClient):
    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__(StaticSource({}))
        self._answer = answer

    def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        return self._answer(request)
