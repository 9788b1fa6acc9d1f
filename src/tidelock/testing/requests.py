"""A client's request as a server's framework would show it: for what answers in memory. No IO."""

from __future__ import annotations

import re
import urllib.parse

from tidelock.http.declarative import HOLE
from tidelock.http.exchange import Request


class RequestAsked:
    """See http.answering.Asked.

    Args:
        request: what the client would send.
        template: the path of the operation, as `/orders/{id}`.
    """

    def __init__(self, request: Request, template: str) -> None:
        path, _, query = request.target.partition("?")
        pattern = "".join(
            f"(?P<{part}>[^/]+)" if number % 2 else re.escape(urllib.parse.quote(part))
            for number, part in enumerate(HOLE.split(template))
        )
        found = re.fullmatch(pattern, path)
        self._path = {} if found is None else found.groupdict()
        self._query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self._headers = headers_of(request)

    def path(self, name: str) -> list[str]:
        """See Asked."""
        return [urllib.parse.unquote(self._path[name])]

    def query(self, name: str) -> list[str]:
        """See Asked."""
        return self._query.get(name, [])

    def query_names(self) -> list[str]:
        """See Asked."""
        return list(self._query)

    def header(self, name: str) -> list[str]:
        """See Asked."""
        return [value for key, value in self._headers if key == name]


def headers_of(request: Request) -> list[tuple[str, str]]:
    """Return the header lines of a request; names in lower case."""
    lines = request.head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines if line]
    return [(name.lower(), value.strip()) for name, _, value in pairs]
