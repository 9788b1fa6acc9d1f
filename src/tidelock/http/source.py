"""Where instances come from, without IO: the Source protocol, a fixed mapping, the environment's variables.

A source answers from memory and at once; one that can look again (a registry's client) also has `refresh`,
which the caller awaits only when it found no instance. Names are compared without case, and `_` equals `-`
in variables.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from tidelock.discovery.instance import Instance
from tidelock.errors import UsageError
from tidelock.http.peer import CONTEXT_PATH
from tidelock.http.wire.head import check_target

UNIX = "http+unix://"
"""Scheme of a URL whose authority is the percent-encoded path of a Unix domain socket."""

VARIABLE_PREFIX = "TIDELOCK_SERVICES_"


class Source(Protocol):
    """Knows the instances of services."""

    def instances(self, app: str) -> Sequence[Instance]:
        """Return the instances that are UP; no IO; the same object while nothing changes."""


@runtime_checkable
class RefreshableSource(Protocol):
    """A source that can look again."""

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""

    async def refresh(self) -> None:
        """Bring the copy up to date now."""


class StaticSource:
    """A fixed mapping: service -> one URL or several.

    Args:
        services: URLs with http or https; a path is prefixed to every request.

    Raises:
        UsageError: something that is no such URL.
    """

    def __init__(self, services: Mapping[str, str | Sequence[str]]) -> None:
        self._instances = {
            name.lower(): tuple(
                instance_at(name, url) for url in ((urls,) if isinstance(urls, str) else urls)
            )
            for name, urls in services.items()
        }

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""
        return self._instances.get(app.lower(), ())


class EnvironmentSource:
    """`TIDELOCK_SERVICES_ORDER_SERVICE=http://127.0.0.1:8001,http://127.0.0.1:8002`.

    Args:
        variables: the environment, as `tidelock.runtime.environment()` gives it.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._services = StaticSource(
            {
                name.removeprefix(VARIABLE_PREFIX): [url.strip() for url in value.split(",") if url.strip()]
                for name, value in variables.items()
                if name.startswith(VARIABLE_PREFIX)
            }
        )

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""
        return self._services.instances(variable_name(app))


def variable_name(app: str) -> str:
    """Return a service's name as it stands in a variable: `order-service` -> `ORDER_SERVICE`."""
    return re.sub(r"[^A-Za-z0-9]", "_", app).upper()


def instance_at(app: str, url: str) -> Instance:
    """Return a made-up instance for a URL; its id is the URL.

    `http+unix://%2Frun%2Forders.sock/base` is a socket of this machine; its host is then the socket's path.

    Raises:
        UsageError: no such URL with a host, or one with a query.
        LocalProtocolError: its path has what must be percent-encoded.
    """
    if url.startswith(UNIX):
        socket_path, _, base = url.removeprefix(UNIX).partition("/")
        path = urllib.parse.unquote(socket_path)
        if not path.startswith("/") or not path.isprintable() or set(base) & set("?#"):
            raise UsageError(
                f"{url!r} names no socket", where=app, hint="write it like http+unix://%2Frun%2Forders.sock"
            )
        return _made(app, url, path, 0, f"/{base}")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urllib.parse.SplitResult("", "", "", "", ""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f"{url!r} is not the address of a service",
            where=app,
            hint="write it like http://127.0.0.1:8001 or https://orders.example/base",
        )
    return _made(app, url, parts.hostname, port, parts.path)


def _made(app: str, url: str, host: str, port: int, path: str) -> Instance:
    secure = url.startswith("https:")
    path = check_target(path).rstrip("/") if path else ""
    return Instance(
        app=app,
        instance_id=url,
        host=host,
        ip=host,
        port=80 if secure else port,
        port_enabled=not secure,
        secure_port=port if secure else 443,
        secure_port_enabled=secure,
        metadata={CONTEXT_PATH: path} if path else {},
    )
