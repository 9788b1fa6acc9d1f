"""`contract(Orders, app)`: does an application, ours or foreign, keep what the interface says?

Every method is called with made-up values, and every answer judged: a status that the interface knows, a body
of the declared type. Then what callers rely on without thinking: a field that the server does not know does
no harm, a body that is no JSON and a missing parameter are the caller's fault (4xx), and an idempotent call
said twice gives the same kind of answer twice. All findings are told at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidelock.http.client import Client
from tidelock.http.declarative import Operation, Place, operations
from tidelock.http.errors import CallError
from tidelock.http.exchange import Request, Response
from tidelock.http.plan import Plan, plans
from tidelock.http.source import StaticSource
from tidelock.testing.memory import MemoryClient
from tidelock.testing.values import value_of


async def contract(
    interface: type,
    app: Any,
    *,
    seed: int = 0,
    rounds: int = 10,
    examples: Mapping[Any, Callable[[random.Random], Any]] | None = None,
) -> int:
    """Check an application against an interface; streams are only opened by their own tests, so not here.

    Args:
        interface: a class decorated with `@api`.
        app: an ASGI or Flask application, or the URL of a running service.
        seed: decides the values.
        rounds: calls of each method with other values.
        examples: type -> function that makes a value, for types with rules of their own.

    Returns:
        How many calls were made.

    Raises:
        AssertionError: what the application does not keep, all of it.
        UsageError: a type of which no value can be made up.
    """
    client = Client(StaticSource({})) if isinstance(app, str) else MemoryClient(app)
    base = app.rstrip("/") if isinstance(app, str) else "http://memory"
    judge = _Judge(client, base, random.Random(seed), examples or {})
    try:
        for operation in operations(interface):
            if operation.shape != "stream":
                await judge.method(operation, plans(interface)[operation.name], rounds)
    finally:
        await client.close()
    assert not judge.findings, "the contract is not kept:\n" + "\n".join(judge.findings)
    return judge.calls


class _Judge:
    def __init__(
        self,
        client: Client,
        base: str,
        rng: random.Random,
        examples: Mapping[Any, Callable[[random.Random], Any]],
    ) -> None:
        self._client = client
        self._state = client.locate(f"{base}/")[0]
        self._rng = rng
        self._examples = examples
        self.findings: list[str] = []
        self.calls = 0

    async def method(self, operation: Operation, plan: Plan, rounds: int) -> None:
        for _ in range(rounds):
            request = plan.request((), self._arguments(operation), self._client.new_key)
            first = await self._asked(request)
            if first is None or not self._kept(operation, plan, first):
                return  # one finding per method is enough
            await self._more(operation, request, first)

    async def _more(self, operation: Operation, request: Request, first: Response) -> None:
        if operation.idempotent and operation.verb != "DELETE":
            again = await self._asked(request)
            if again is not None and again.status // 100 != first.status // 100:
                self._find(operation, f"said twice, it answers {first.status}, then {again.status}")
        body = next((item for item in operation.parameters if item.place is Place.BODY), None)
        if body is None or body.encoding != "json" or body.type is bytes:
            return
        broken = await self._asked(msgspec.structs.replace(request, body=b"{"))
        if broken is not None and not 400 <= broken.status < 500:
            self._find(operation, f"a body that is no JSON gives {broken.status}, not 4xx")
        document = msgspec.json.decode(request.body or b"null")
        if isinstance(document, dict) and first.status < 300:
            more = msgspec.json.encode({**document, "aFieldOfTomorrow": 1})
            tolerant = await self._asked(msgspec.structs.replace(request, body=more))
            if tolerant is not None and tolerant.status in (400, 422):
                self._find(operation, f"a field that it does not know gives {tolerant.status}")

    def _arguments(self, operation: Operation) -> dict[str, Any]:
        return {
            item.name: self._value(item.type)
            for item in operation.parameters
            if item.required or self._rng.random() < 0.5
        }

    def _value(self, kind: Any) -> Any:
        if kind in self._examples:
            return self._examples[kind](self._rng)
        return value_of(kind, self._rng)

    async def _asked(self, request: Request) -> Response | None:
        self.calls += 1
        try:
            return await self._client.call(self._state, request)
        except CallError as error:
            self.findings.append(f"- {request.label}: {error.what}")
            return None

    def _kept(self, operation: Operation, plan: Plan, answer: Response) -> bool:
        status = answer.status
        if status in operation.errors or (status == 404 and operation.optional):
            return True
        if status >= 300:
            shown = answer.body[:120].decode("utf-8", "replace")
            self._find(operation, f"status {status}, which the interface does not name: {shown}")
            return False
        try:
            plan.part(answer) if operation.shape == "page" else plan.result(answer)
        except CallError as error:
            self._find(operation, error.what)
            return False
        return True

    def _find(self, operation: Operation, what: str) -> None:
        finding = f"- {operation.label}: {what}"
        if finding not in self.findings:
            self.findings.append(finding)
