"""The caller's side of a stream: opened by the first item, closed when the caller leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar, cast

from tidelock.http.exchange import Failure, Response
from tidelock.http.framing import Cutter, cutter
from tidelock.http.plan import Plan
from tidelock.http.streaming import BlockingStream, Stream

T = TypeVar("T")


class Reader(Generic[T]):
    """Turns the pieces of one answer into values; knows no IO."""

    def __init__(self, plan: Plan, response: Response) -> None:
        plan.check(response)
        self._plan = plan
        self._instance = response.instance
        self._cutter: Cutter = cutter(response.header("content-type"), plan.operation.result is bytes)

    def values(self, piece: bytes | Failure) -> list[T]:
        """Return the values that a piece completes; b"" is the end.

        Raises:
            CallError: the stream broke, or is not what the interface declares.
        """
        if isinstance(piece, Failure):
            raise self._plan.broken(piece, self._instance)
        try:
            found = self._cutter.feed(piece) if piece else self._cutter.end()
            return cast("list[T]", [self._plan.decoded(each) for each in found])
        except ValueError as error:
            raise self._plan.misread(error, self._instance) from error


class Opened:
    """Closes what a stream has opened, if it has."""

    def __init__(self) -> None:
        self.body: Any = None

    def close(self) -> None:
        """End the connection, unless the answer is complete."""
        if self.body is not None:
            self.body.close()


def received(plan: Plan, begin: Callable[[], Awaitable[Response]]) -> Stream[Any]:
    """Return a stream that `begin` opens."""
    opened = Opened()

    async def values() -> AsyncIterator[Any]:
        response = await begin()
        reader = Reader[Any](plan, response)
        body = opened.body = response.stream
        try:
            while True:
                piece = await body.read()
                for value in reader.values(piece):
                    yield value
                if not piece:
                    return
        finally:
            body.close()

    return Stream(values(), opened.close)


def received_blocking(plan: Plan, begin: Callable[[], Response]) -> BlockingStream[Any]:
    """Return a stream that `begin` opens, for blocking code."""
    opened = Opened()

    def values() -> Iterator[Any]:
        response = begin()
        reader = Reader[Any](plan, response)
        body = opened.body = response.stream
        try:
            while True:
                piece = body.read()
                yield from reader.values(piece)
                if not piece:
                    return
        finally:
            body.close()

    return BlockingStream(values(), opened.close)
