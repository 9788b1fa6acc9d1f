"""Answers that are read while they arrive: `async for event in orders.events()`.

A `Stream` is opened by its first item; the method's timeout is for the head of the answer, after that it may
be silent as long as the deadline around it allows. Leaving the loop early ends the connection. Bytes are
`Stream[bytes]`; anything else comes as NDJSON or server-sent events, whichever the service sends. A broken
stream is not resumed. Implementations return `stream(...)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """Values that arrive one after the other; to be used once, `async with` closes it for sure."""

    def __init__(self, source: AsyncIterator[T], close: Callable[[], None]) -> None:
        self._source = source
        self.close = close

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await anext(self._source)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class BlockingStream(Generic[T]):
    """The same for blocking code; `with` closes it for sure."""

    def __init__(self, source: Iterator[T], close: Callable[[], None]) -> None:
        self._source = source
        self.close = close

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self._source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def stream(items: AsyncIterable[T]) -> Stream[T]:
    """Return what an implementation answers: items, sent as they come; an async generator will do."""
    return Stream(aiter(items), lambda: None)
