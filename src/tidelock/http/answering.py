"""The server's side of one method, for any framework: a request's parts in, an answer out. No IO.

Requests are read by the same rules by which the client writes them (`forms`, `codec`), and the error map is
used backwards: an exception named in `errors=` becomes its status, None of an optional result 404. The
adapters (`serve`, `serve_litestar`, `serve_flask`) only carry bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol, Self

import msgspec

from tidelock.http.codec import decoder, encoder, reader
from tidelock.http.declarative import Operation, Parameter, Place
from tidelock.http.exchange import Response
from tidelock.http.forms import names_of, object_reader, read_form, read_multipart
from tidelock.http.framing import NDJSON, SSE, framed
from tidelock.http.paging import write_part

JSON = "application/json"
OCTETS = "application/octet-stream"


class BadRequest(ValueError):
    """A request that does not fit; becomes the answer `status` with the text as `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Asked(Protocol):
    """A request, as far as an interface looks at it."""

    def path(self, name: str) -> list[str]:
        """The decoded value of a path parameter."""

    def query(self, name: str) -> list[str]:
        """The decoded values of a query parameter, in order."""

    def query_names(self) -> list[str]:
        """All names in the query."""

    def header(self, name: str) -> list[str]:
        """The values of a header."""


class Answer(msgspec.Struct):
    """What to send back."""

    status: int
    body: bytes = b""
    media: str | None = None
    stream: AsyncIterator[bytes] | None = None

    @classmethod
    def error(cls, status: int, detail: str) -> Answer:
        """An error with its text, as FastAPI writes it."""
        return cls(status, msgspec.json.encode({"detail": detail}), JSON)


class Served:
    """One request while it is answered; a context manager that does nothing.

    Attributes:
        status: of the answer, once it is known.
    """

    status = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """It is answered, or failed."""


class Serving:
    """How requests are watched, in the whole process.

    Attributes:
        begin: given an operation and what reads the request's headers, what surrounds its answer.
    """

    def __init__(self) -> None:
        self.begin: Callable[[Operation, Callable[[str], list[str]]], Served] = _unwatched


def _unwatched(operation: Operation, header: Callable[[str], list[str]]) -> Served:
    return _NOBODY


_NOBODY = Served()
SERVING = Serving()


class Endpoint:
    """Answers one operation.

    Attributes:
        body: the parameter that travels in the body, if there is one.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        texts = [item for item in operation.parameters if item.place is not Place.BODY]
        self._readers = [(item, _text_reader(item)) for item in texts]
        bodies = [item for item in operation.parameters if item.place is Place.BODY]
        self.body = bodies[0] if bodies else None
        self._decode = _body_decoder(bodies[0]) if bodies else None
        self._statuses = tuple((kind, status) for status, kind in operation.errors.items())
        self.kinds: tuple[type[Exception], ...] = tuple(operation.errors.values())
        self._raw = operation.result is bytes
        plain = operation.result in (None, type(None), Response)
        self._encode = encoder(object if plain else operation.result)
        if operation.shape == "page":
            self._encode = encoder(list[operation.result])  # type: ignore[name-defined]  # a type made here

    def values(self, asked: Asked, body: bytes) -> dict[str, Any]:
        """Return the arguments for the method.

        Raises:
            BadRequest: something is missing or does not fit.
        """
        given = {item.name: read(asked) for item, read in self._readers}
        values = {name: value for name, value in given.items() if value is not MISSING}
        if self.body is not None and (body or self.body.required):
            values[self.body.name] = self._read_body(self.body, body, asked)
        return values

    def _read_body(self, item: Parameter, body: bytes, asked: Asked) -> Any:
        assert self._decode is not None  # made together with the body
        try:
            return self._decode(body, (asked.header("content-type") or [""])[-1])
        except ValueError as error:
            raise BadRequest(_status_of(error), f"{item.name}: {error}") from None

    def answer(self, result: Any) -> Answer:
        """Return what is sent for a method's result."""
        if isinstance(result, Response):
            return Answer(result.status, result.body, result.header("content-type") or OCTETS)
        if result is None:
            return Answer.error(404, "there is none") if self.operation.optional else Answer(204)
        return Answer(200, self._encode(result), OCTETS if self._raw else JSON)

    def refusal(self, error: Exception) -> Answer:
        """Return what is sent for an exception that the interface names."""
        status = next(status for kind, status in self._statuses if isinstance(error, kind))
        return Answer.error(status, str(error))

    async def _pieces(self, items: AsyncIterator[Any], media: str) -> AsyncIterator[bytes]:
        async for item in items:
            yield item if self._raw else framed(self._encode(item), media)

    def _media(self, asked: Asked) -> str:
        """What a stream is sent as: lines, unless the caller (a browser) knows events only."""
        if self._raw:
            return OCTETS
        wanted = ",".join(asked.header("accept"))
        return SSE if SSE in wanted and NDJSON not in wanted else NDJSON

    async def call(self, method: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call the method and return an Answer, or what it made for its framework itself.

        Exceptions that the interface does not name go on to the framework.
        """
        try:
            if self.operation.shape == "page":
                return Answer(200, write_part(await method(**values).first(), self._encode), JSON)
            result = await method(**values)
        except self.kinds as error:
            return self.refusal(error)
        return result if is_answer(result) else self.answer(result)

    async def serve(self, method: Callable[..., Any], asked: Asked, body: bytes) -> Any:
        """Read the request, call the method, return its answer."""
        try:
            values = self.values(asked, body)
        except BadRequest as error:
            return Answer.error(error.status, str(error))
        if self.operation.shape == "stream":
            media = self._media(asked)
            return await self._begun(self._pieces(method(**values), media), media)
        return await self.call(method, values)

    async def _begun(self, pieces: AsyncIterator[bytes], media: str) -> Answer:
        """Wait for the first piece, so that what the method raises before it still becomes a status."""
        try:
            first = await anext(pieces, b"")
        except self.kinds as error:
            return self.refusal(error)

        async def all_of_them() -> AsyncIterator[bytes]:
            if first:
                yield first
            async for piece in pieces:
                yield piece

        return Answer(200, b"", media, all_of_them())


MISSING: Any = object()


def is_answer(result: Any) -> bool:
    """Whether a method has made its framework's own response."""
    return hasattr(result, "status_code") and not isinstance(result, msgspec.Struct)


def _text_reader(item: Parameter) -> Callable[[Asked], Any]:
    if item.is_object:
        return _object(item)
    read = reader(item.type)

    def one(asked: Asked) -> Any:
        texts = _texts(asked, item)
        if not texts:
            if item.required:
                raise BadRequest(422, f"the {item.place.value} parameter {item.wire!r} is missing")
            return MISSING
        if item.separator is not None:
            texts = [part for text in texts for part in (text.split(item.separator) if text else [])]
        try:
            return read(texts)
        except ValueError as error:
            raise BadRequest(422, f"the {item.place.value} parameter {item.wire!r}: {error}") from None

    return one


def _object(item: Parameter) -> Callable[[Asked], Any]:
    """A query object: each of its fields is a parameter; absent when none is given and it has a default."""
    read, names = object_reader(item.type), names_of(item.type)

    def one(asked: Asked) -> Any:
        wanted = asked.query_names() if names is None else names
        given = {name: texts for name in wanted if (texts := asked.query(name))}
        if not given and not item.required:
            return MISSING
        try:
            return read(given)
        except ValueError as error:
            raise BadRequest(422, f"the query: {error}") from None

    return one


def _texts(asked: Asked, item: Parameter) -> list[str]:
    if item.place is Place.PATH:
        return asked.path(item.name)
    return asked.header(item.wire) if item.place is Place.HEADER else asked.query(item.wire)


def _body_decoder(item: Parameter) -> Callable[[bytes, str], Any]:
    if item.encoding == "json":
        decode = decoder(item.type)
        return lambda body, media: decode(body)
    read = object_reader(item.type)
    if item.encoding == "form":
        return lambda body, media: read(read_form(body))
    return lambda body, media: read(read_multipart(body, media))


def _status_of(error: ValueError) -> int:
    """400 for what is no JSON, 422 for JSON of another shape, as FastAPI has it."""
    if isinstance(error, msgspec.ValidationError):
        return 422
    details = getattr(error, "errors", None)  # pydantic's
    if details is not None:
        return 400 if any(each["type"] == "json_invalid" for each in details()) else 422
    return 400
