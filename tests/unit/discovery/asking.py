"""The same bytes read by the book: httptools takes a request apart, the ASGI application answers it."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from tidelock.discovery.app import RegistryApp


class Read:
    """One request as httptools reads it."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.messages = 0
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method: bytes = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.messages += 1


def by_the_book(app: RegistryApp, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers but for date and length, body."""
    read = Read(data)
    assert read.messages == 1
    url = httptools.parse_url(read.url)
    scope = {
        "type": "http",
        "method": read.method.decode(),
        "path": url.path.decode(),
        "raw_path": url.path,
        "query_string": url.query or b"",
        "headers": read.headers,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    del headers["content-length"]
    return sent[0]["status"], headers, sent[1]["body"]


def taken_apart(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer's head, but for date and length."""
    first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    del headers["content-length"], headers["date"]
    return int(first.split(" ")[1]), headers
