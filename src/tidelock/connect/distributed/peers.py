"""Requests to the other workers' REST interfaces. Blocking calls in a thread, one connection each.

Source: Kafka `runtime.rest.RestClient`.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tidelock.errors import UnreachableError

TIMEOUT = 90.0
"""Seconds; as long as Kafka's herder may take for a request."""


class PeerUnreachable(UnreachableError):
    """Another worker does not answer a request that was passed on to it."""

    code = "TID-545"


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What another worker said."""

    status: int
    body: bytes
    location: str | None


async def ask(
    method: str, url: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> PeerAnswer:
    """Send a request to another worker.

    Args:
        method: HTTP's.
        url: of the worker, without a path.
        path: with its query.
        body: JSON, or nothing.
        headers: on top of the content type.

    Raises:
        PeerUnreachable: no answer.
    """
    return await asyncio.to_thread(_ask, method, url, path, body, dict(headers or {}))


def _ask(method: str, url: str, path: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
    try:
        content = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body or None, {**headers, **content})
        answer = connection.getresponse()
        return PeerAnswer(answer.status, answer.read(), answer.getheader("location"))
    except (OSError, http.client.HTTPException) as error:
        raise PeerUnreachable(f"the worker does not answer: {error}", where=url) from error
    finally:
        connection.close()
