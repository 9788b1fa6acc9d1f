"""Calls between services: one `@api` interface gives client and server; balancing, retry, deadline, breaker.

Rules (`balance`, `retry`, `breaker`, `flow`, `wire.parser`) do no IO; `aio` and `wire` move bytes, `serve`
and `registration` are the server's side. Names are imported on first use: a server does not pay for the
client. The design page is docs/design/http.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.http.blocking_client import Blocking, BlockingClient, connect_blocking
    from tidelock.http.client import Client, at, close, connect, instances
    from tidelock.http.deadlines import current_deadline, deadline
    from tidelock.http.declarative import (
        Body,
        Csv,
        Form,
        Header,
        Multipart,
        Pipes,
        Query,
        Ssv,
        Tsv,
        api,
        delete,
        get,
        head,
        patch,
        post,
        put,
    )
    from tidelock.http.errors import (
        BadAnswer,
        BulkheadFull,
        CallError,
        CallTimeout,
        CircuitOpen,
        ConnectFailed,
        ConnectionBroken,
        DecodeFailed,
        InDoubt,
        NoInstance,
        StatusError,
    )
    from tidelock.http.events import BreakerChanged, Called, Ejected
    from tidelock.http.exchange import Response
    from tidelock.http.forms import File
    from tidelock.http.hooks import Hooks, with_headers
    from tidelock.http.middleware import DeadlineMiddleware, TraceMiddleware
    from tidelock.http.paging import BlockingPage, Page, page
    from tidelock.http.policies import Policies
    from tidelock.http.policy import CallSettings, Policy
    from tidelock.http.registration import register
    from tidelock.http.serve import mount
    from tidelock.http.source import EnvironmentSource, Source, StaticSource
    from tidelock.http.spans import instrument
    from tidelock.http.streaming import BlockingStream, Stream, stream
    from tidelock.http.tracing import TraceContext, current_trace, trace
    from tidelock.http.transport import BlockingDiscoveryTransport, DiscoveryTransport

__all__ = [
    "BadAnswer",
    "Blocking",
    "BlockingClient",
    "BlockingDiscoveryTransport",
    "BlockingPage",
    "BlockingStream",
    "Body",
    "BreakerChanged",
    "BulkheadFull",
    "CallError",
    "CallSettings",
    "CallTimeout",
    "Called",
    "CircuitOpen",
    "Client",
    "ConnectFailed",
    "ConnectionBroken",
    "Csv",
    "DeadlineMiddleware",
    "DecodeFailed",
    "DiscoveryTransport",
    "Ejected",
    "EnvironmentSource",
    "File",
    "Form",
    "Header",
    "Hooks",
    "InDoubt",
    "Multipart",
    "NoInstance",
    "Page",
    "Pipes",
    "Policies",
    "Policy",
    "Query",
    "Response",
    "Source",
    "Ssv",
    "StaticSource",
    "StatusError",
    "Stream",
    "TraceContext",
    "TraceMiddleware",
    "Tsv",
    "api",
    "at",
    "close",
    "connect",
    "connect_blocking",
    "current_deadline",
    "current_trace",
    "deadline",
    "delete",
    "get",
    "head",
    "instances",
    "instrument",
    "mount",
    "page",
    "patch",
    "post",
    "put",
    "register",
    "stream",
    "trace",
    "with_headers",
]

_HOMES = (
    ("blocking_client", "Blocking BlockingClient connect_blocking"),
    ("client", "Client at close connect instances"),
    ("deadlines", "current_deadline deadline"),
    ("declarative", "Body Csv Form Header Multipart Pipes Query Ssv Tsv api delete get head patch post put"),
    ("errors", "BadAnswer BulkheadFull CallError CallTimeout CircuitOpen ConnectFailed"),
    ("errors", "ConnectionBroken DecodeFailed InDoubt NoInstance StatusError"),
    ("exchange", "Response"),
    ("events", "BreakerChanged Called Ejected"),
    ("policies", "Policies"),
    ("policy", "CallSettings Policy"),
    ("forms", "File"),
    ("paging", "BlockingPage Page page"),
    ("hooks", "Hooks with_headers"),
    ("middleware", "DeadlineMiddleware TraceMiddleware"),
    ("registration", "register"),
    ("serve", "mount"),
    ("source", "EnvironmentSource Source StaticSource"),
    ("spans", "instrument"),
    ("streaming", "BlockingStream Stream stream"),
    ("tracing", "TraceContext current_trace trace"),
    ("transport", "BlockingDiscoveryTransport DiscoveryTransport"),
)
_HOME = {name: module for module, names in _HOMES for name in names.split()}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
