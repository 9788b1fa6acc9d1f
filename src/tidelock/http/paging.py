"""Lists that come in pages: `Page[Order]` iterates over the orders of all pages. Rules here, no IO.

A page is a JSON list, or an object with the list under `items`, `content`, `results` or `data`. Where the
next one is says, in this order: the `Link` header (rel="next"), `next` with a URL, `cursor`, `next_cursor` or
`nextCursor` with a token for the parameter `cursor`, or Spring's `last: false` with `number`. Of a URL only
path and query count: a service cannot send its callers to another one.

Source: RFC 8288 (Link); Spring Data `Page`.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from tidelock.http.exchange import Response

T = TypeVar("T")

LISTS = ("items", "content", "results", "data")
CURSORS = ("cursor", "next_cursor", "nextCursor")


@dataclass(frozen=True, slots=True)
class Next:
    """Where the next page is: a request target, or parameters that change."""

    target: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One page.

    Attributes:
        items: what it holds.
        next: where the next one is; None for the last.
    """

    items: Sequence[T]
    next: Next | None


class Page(Generic[T]):
    """All items of a list in pages: `async for order in orders.search("ann")`, or `.pages()`.

    Nothing is asked before the first item is wanted, and no page before the one before it is used up.
    Implementations of an interface return `page(...)`.
    """

    def __init__(self, fetch: Callable[[Next | None], Awaitable[Part[T]]]) -> None:
        self._fetch = fetch

    async def pages(self) -> AsyncIterator[Sequence[T]]:
        """Iterate over the pages."""
        part = await self._fetch(None)
        while True:
            yield part.items
            if part.next is None:
                return
            part = await self._fetch(part.next)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for items in self.pages():
            for item in items:
                yield item

    async def first(self) -> Part[T]:
        """Return the first page only."""
        return await self._fetch(None)


class BlockingPage(Generic[T]):
    """The same for blocking code: `for order in orders(Orders.search, "ann")`."""

    def __init__(self, fetch: Callable[[Next | None], Part[T]]) -> None:
        self._fetch = fetch

    def pages(self) -> Iterator[Sequence[T]]:
        """Iterate over the pages."""
        part = self._fetch(None)
        while True:
            yield part.items
            if part.next is None:
                return
            part = self._fetch(part.next)

    def __iter__(self) -> Iterator[T]:
        for items in self.pages():
            yield from items

    def first(self) -> Part[T]:
        """Return the first page only."""
        return self._fetch(None)


def page(
    items: Sequence[T] | Awaitable[tuple[Sequence[T], str | None]], cursor: str | None = None
) -> Page[T]:
    """Return what an implementation answers: one page, and the cursor with which the next is asked for.

    Args:
        items: the page; or an awaitable of the page and the cursor, where finding it takes a while.
        cursor: None says that it is the last.
    """

    async def fetch(_: Next | None) -> Part[T]:
        found, after = (items, cursor) if isinstance(items, Sequence) else await items
        return Part(found, None if after is None else Next(parameters=(("cursor", after),)))

    return Page(fetch)


def read_part(response: Response, decode: Callable[[bytes], Sequence[T]]) -> Part[T]:
    """Read one page of an answer.

    Args:
        response: the answer.
        decode: reads a JSON list.

    Raises:
        ValueError: it is no page.
    """
    document = msgspec.json.decode(response.body, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    link = _linked(response.header("link") or "")
    if isinstance(document, list):
        return Part(decode(response.body), link)
    found = next((document[name] for name in LISTS if name in document), None)
    if found is None:
        raise ValueError(f"a page has a list under one of {', '.join(LISTS)}")
    return Part(decode(bytes(found)), link or _named(document))


def write_part(part: Part[Any], encode: Callable[[Any], bytes]) -> bytes:
    """Write one page as `{"items": [...], "cursor": ...}`."""
    after = None if part.next is None else dict(part.next.parameters).get("cursor")
    document = {"items": msgspec.Raw(encode(list(part.items))), "cursor": after}
    return msgspec.json.encode(document)


def moved(target: str, where: Next) -> str:
    """Return the target of the request for the next page."""
    if where.target is not None:
        return where.target
    path, _, query = target.partition("?")
    changed = dict(where.parameters)
    kept = [(name, value) for name, value in urllib.parse.parse_qsl(query, True) if name not in changed]
    return f"{path}?{urllib.parse.urlencode([*kept, *changed.items()], quote_via=urllib.parse.quote)}"


def _named(document: dict[str, msgspec.Raw]) -> Next | None:
    plain = {
        name: _plain(document[name]) for name in ("next", *CURSORS, "last", "number") if name in document
    }
    url = plain.get("next")
    if isinstance(url, str) and url:
        return _at(url)
    for name in CURSORS:
        token = plain.get(name)
        if isinstance(token, (str, int)) and token != "":
            return Next(parameters=(("cursor", str(token)),))
    number = plain.get("number")
    if plain.get("last") is False and isinstance(number, int):
        return Next(parameters=(("page", str(number + 1)),))
    return None


def _plain(raw: msgspec.Raw) -> object:
    return msgspec.json.decode(raw)


def _linked(header: str) -> Next | None:
    for url, rest in re.findall(r"<([^>]*)>([^<]*)", header):
        if re.search(r';\s*rel="?[^";]*\bnext\b', rest, re.IGNORECASE):
            return _at(url)
    return None


def _at(url: str) -> Next | None:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return None
    target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if not target.startswith("/"):
        return None
    query = urllib.parse.quote(parts.query, safe="=&%+,:;/?@!$'()*~-._[]")
    return Next(target=f"{target}?{query}" if query else target)
