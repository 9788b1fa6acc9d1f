"""Questions to the REST interfaces of Connect and the registry, from the standard library's HTTP client.

One function, `ask`. Whatever goes wrong becomes an error with its exit code: nobody there is 3, 404 is 4, 409
is 6, another 4xx is 2 with the server's own message. Proxies are not used: these servers are the user's own.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tidelock.errors import ConflictError, NotFoundError, TidelockError, UnreachableError, UsageError

TIMEOUT = 30.0
NAMES = {"connect": "Connect worker", "registry": "registry"}
PORTS = {"connect": 8083, "registry": 8761}


class NobodyAnswersError(UnreachableError):
    """No server answers at the address, or not in time."""

    code = "TID-720"


class ServerRefusedError(UsageError):
    """The server understood the request and says that it is wrong."""

    code = "TID-721"


class ServerFailedError(TidelockError):
    """The server failed while it worked on the request, or answered something that is not its protocol."""

    code = "TID-722"


class NoSuchThingError(NotFoundError):
    """The server does not know the thing that was asked for."""

    code = "TID-723"


class InTheWayError(ConflictError):
    """The server cannot do this now: something exists already, or it is rebalancing."""

    code = "TID-724"


def ask(part: str, url: str, method: str, path: str, body: object | None = None) -> tuple[int, Any]:
    """Send one request; returns the status and the decoded JSON (None for an empty body).

    Args:
        part: "connect" or "registry", for the error texts.
        url: the server's address.
        method: the HTTP method.
        path: what is asked for, already quoted (see `quoted`).
        body: sent as JSON when not None.

    Raises:
        TidelockError: see the module's text.
    """
    status, raw = _sent(part, url, method, path, None if body is None else json.dumps(body).encode())
    if not raw.strip():
        return status, None
    try:
        return status, json.loads(raw)
    except ValueError as error:
        raise ServerFailedError(
            f"the {NAMES[part]} did not answer with JSON: {error}", where=f"{method} {url}{path}"
        ) from error


def ask_raw(part: str, url: str, path: str) -> bytes:
    """GET a JSON document without decoding it."""
    return _sent(part, url, "GET", path, None)[1]


def quoted(name: str) -> str:
    """Quote a name for use as one step of a path."""
    return urllib.parse.quote(name, safe="")


def _sent(part: str, url: str, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    where = f"{url.rstrip('/')}{path}"
    if not where.startswith(("http://", "https://")):
        raise UsageError(
            f"{url!r} is not an http or https URL", hint=f"--{part}-url http://localhost:{PORTS[part]}"
        )
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = urllib.request.Request(where, data=body, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(part, error.code, error.read(), f"{method} {where}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise NobodyAnswersError(
            f"no {NAMES[part]} answers: {_cause(reason)}",
            where=url,
            hint=f"tidelock up {part}, or name another one with --{part}-url",
        ) from error


def _cause(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__


def _refusal(part: str, status: int, body: bytes, where: str) -> TidelockError:
    message = _message(body) or f"the {NAMES[part]} answered with status {status}"
    if status == 404:
        return NoSuchThingError(message, where=where, hint=f"tidelock {_LIST[part]}")
    if status == 409:
        return InTheWayError(message, where=where)
    if 400 <= status < 500:
        return ServerRefusedError(message, where=where)
    return ServerFailedError(message, where=where, hint=f"tidelock logs {part}")


_LIST = {"connect": "connect ls", "registry": "service ls"}


def _message(body: bytes) -> str | None:
    try:
        found = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found).strip()
