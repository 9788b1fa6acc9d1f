"""What can go wrong with a call to another service; codes TID-4xx.

    CallError                     every failed call; `.service`, `.method`, `.instance` where there is one
    |- NoInstance                 nobody is registered under that name (or the pinned instance has left)
    |- CircuitOpen(until)         refused here: the last calls failed too often
    |- BulkheadFull               refused here: too many calls are under way
    |- ConnectFailed              no connection: provably nothing was sent
    |- CallTimeout                the deadline passed; repeating is harmless, or nothing was sent
    |- ConnectionBroken           the connection ended before the answer; repeating is harmless
    |- InDoubt                    sent, no answer, not idempotent: it may or may not have been carried out
    |- StatusError(status, body)  the service answered with 4xx or 5xx
    |- BadAnswer                  the answer is no HTTP, or larger than allowed
    |- DecodeFailed               the answer is HTTP, but its body is not of the declared type

The caller's question is always "may I repeat it?": everything but InDoubt says that repeating cannot double
an effect. Imports: errors and discovery.instance only.
"""

from __future__ import annotations

from tidelock.discovery.instance import Instance
from tidelock.errors import RemoteProtocolError, TidelockError


class CallError(TidelockError):
    """A call to another service failed.

    Attributes:
        service: the service's name, or the authority of a plain URL.
        method: what was called, as "GET /orders/{id}".
        instance: the instance of the last attempt; None when none was reached.
    """

    code = "TID-400"

    def __init__(
        self,
        what: str,
        *,
        service: str = "",
        method: str = "",
        instance: Instance | None = None,
        hint: str | None = None,
    ) -> None:
        where = f"{method} on {service}".strip() if method else service
        if instance is not None:
            host, port = instance.address
            where = f"{where} at {host}:{port} ({instance.instance_id})"
        super().__init__(what, where=where or None, hint=hint)
        self.service = service
        self.method = method
        self.instance = instance


class NoInstance(CallError):
    """No instance of the service is registered and UP, or the pinned instance has left."""

    code = "TID-401"
    exit_code = 3
    retriable = True

    def __init__(
        self, service_id: str, *, method: str = "", instance_id: str | None = None, hint: str | None = None
    ) -> None:
        what = f"no instance of {service_id!r} is up"
        if instance_id is not None:
            what = f"instance {instance_id!r} of {service_id!r} is not registered"
        super().__init__(what, service=service_id, method=method, hint=hint)
        self.service_id = service_id
        self.instance_id = instance_id


class CircuitOpen(CallError):
    """The circuit breaker refuses the call: too many of the last ones failed.

    Attributes:
        until: monotonic seconds at which the breaker lets the next calls try; nothing was sent.
    """

    code = "TID-402"
    exit_code = 3
    retriable = True

    def __init__(self, until: float, *, service: str, method: str, remaining: float) -> None:
        held = f"is open for another {max(remaining, 0.0):.1f} s"
        if until == float("inf"):
            held = "is kept open (initialState=FORCED_OPEN)"
        super().__init__(
            f"the circuit breaker {held}",
            service=service,
            method=method,
            hint="wait, or look at why the calls before this one failed",
        )
        self.until = until


class BulkheadFull(CallError):
    """Too many calls to the service are under way already; nothing was sent."""

    code = "TID-411"
    exit_code = 3
    retriable = True

    def __init__(self, limit: int, *, service: str, method: str) -> None:
        super().__init__(
            f"{limit} calls are under way already (maxConcurrentCalls)",
            service=service,
            method=method,
            hint="call less at once, or look at why the answers take so long",
        )


class ConnectFailed(CallError):
    """No connection could be made; nothing was sent, so any call may be repeated."""

    code = "TID-403"
    exit_code = 3
    retriable = True


class CallTimeout(CallError):
    """The deadline passed. Repeating is harmless: the call is idempotent, or nothing was sent."""

    code = "TID-404"
    exit_code = 3
    retriable = True


class ConnectionBroken(CallError):
    """The connection ended before the whole answer was here; repeating an idempotent call is harmless."""

    code = "TID-405"
    exit_code = 3
    retriable = True


class InDoubt(CallError):
    """A call that is not idempotent was sent and no answer came: it may or may not have been carried out.

    Never repeated by itself. Ask the same instance (`at(orders, error.instance.instance_id)`) what became of
    it, or declare the method `idempotent=True` when the service drops repeats by Idempotency-Key.
    """

    code = "TID-406"


class StatusError(CallError):
    """The service answered with a 4xx or 5xx status.

    Attributes:
        status: the HTTP status.
        body: the answer's body, decoded from its content encoding.
    """

    code = "TID-407"

    def __init__(
        self,
        status: int,
        body: bytes,
        *,
        service: str = "",
        method: str = "",
        instance: Instance | None = None,
    ) -> None:
        shown = body[:200].decode("utf-8", "replace").strip()
        what = f"the service answered {status}" + (f": {shown}" if shown else "")
        super().__init__(what, service=service, method=method, instance=instance)
        self.status = status
        self.body = body


class BadAnswer(CallError, RemoteProtocolError):
    """What came back is no valid HTTP/1.1 answer, or is larger than the limits allow."""

    code = "TID-408"


class DecodeFailed(CallError):
    """The answer's body is not of the type that the interface declares."""

    code = "TID-409"
