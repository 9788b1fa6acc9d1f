"""A method compiled for calling: arguments in, Request out; Response in, value or exception out. No IO.

Everything that does not depend on the arguments is done once: the static header lines, the pieces of the
path, the encoder, the decoder, which exception belongs to which status.
"""

from __future__ import annotations

import inspect
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidelock.discovery.instance import Instance
from tidelock.errors import UsageError
from tidelock.http.codec import decoder, encoder, text_of
from tidelock.http.declarative import HOLE, Operation, Parameter, Place, api_of, operations
from tidelock.http.errors import CallError, CallTimeout, ConnectionBroken, DecodeFailed, InDoubt, StatusError
from tidelock.http.exchange import Failure, Reason, Request, Response
from tidelock.http.forms import joined, pairs_of, write_form, write_multipart
from tidelock.http.framing import NDJSON, SSE
from tidelock.http.paging import Next, Part, moved, read_part
from tidelock.http.wire.codings import accepted
from tidelock.http.wire.head import check_target, header_line, header_lines

USER_AGENT = "tidelock"

DOUBTFUL = frozenset({502, 504})
"""Somebody between us and the work gave up on it; it may be done all the same (503: it was not begun)."""


class Plan:
    """One method, ready to be called.

    Attributes:
        timeout: seconds; None takes the client's.
    """

    def __init__(self, operation: Operation, service: str) -> None:
        self.operation = operation
        self.timeout = operation.timeout
        self._service = service
        self._names = [item.name for item in operation.parameters]
        self._defaults = [item.default for item in operation.parameters]
        self._required = [index for index, item in enumerate(operation.parameters) if item.required]
        self._needed = self._required[-1] + 1 if self._required else 0
        kinds = [parameter.kind for parameter in list(operation.signature.parameters.values())[1:]]
        self._positional = sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds)
        self._index = {name: number for number, name in enumerate(self._names)}
        self._path, self._holes = _template(operation.path, self._index)
        self._affinity = None if operation.affinity is None else self._index[operation.affinity]
        self._query = _placed(operation, Place.QUERY)
        self._headers = _placed(operation, Place.HEADER)
        bodies = _placed(operation, Place.BODY)
        self._body = bodies[0][0] if bodies else None
        encoding = bodies[0][1].encoding if bodies else "json"
        self._multipart = encoding == "multipart"
        self._encode = None
        if bodies:
            self._encode = write_form if encoding == "form" else encoder(bodies[0][1].type)
        self._head = _static_head(operation, _media(bodies[0][1]) if bodies else None)
        self._always_body = operation.verb in ("POST", "PUT", "PATCH")
        self._nothing = operation.result in (None, type(None))
        self._whole = operation.result is Response
        self._raw = operation.result is bytes
        kind = operation.result if operation.shape != "page" else list[operation.result]  # type: ignore[name-defined]  # a type built at run time
        self._decode = None if self._nothing or self._whole else decoder(kind)
        self._streams = operation.shape == "stream"

    def request(self, args: Sequence[Any], kwargs: Mapping[str, Any], new_key: Callable[[], str]) -> Request:
        """Build the request for these arguments.

        Args:
            args: without `self`.
            kwargs: by name.
            new_key: makes an Idempotency-Key.

        Raises:
            TypeError: arguments that do not fit the signature, as for any function.
            UsageError: a value that has no place in a path, a query or a header.
        """
        values = self._bind(args, kwargs)
        try:
            target = self._path % tuple([_segment(values[index]) for index in self._holes])
            if self._query:
                target += self._query_text(values)
            head = self._head
            if self._headers:
                head += self._header_lines(values)
            body: bytes | None = b"" if self._always_body else None
            if self._body is not None and self._multipart:
                boundary = new_key()
                head += header_line("content-type", f"multipart/form-data; boundary={boundary}")
                body = write_multipart(values[self._body], boundary)
            elif self._body is not None and self._encode is not None:
                body = self._encode(values[self._body])
            affinity = None if self._affinity is None else text_of(values[self._affinity])
        except TypeError as error:
            raise UsageError(str(error), where=self.operation.label) from None
        if self.operation.keyed:
            head += header_line("idempotency-key", new_key())
        operation = self.operation
        label = operation.label
        return Request(
            operation.verb, target, head, body, label, label, operation.idempotent, affinity, self._streams
        )

    def result(self, response: Response) -> Any:
        """Turn an answer into the method's value.

        Raises:
            StatusError: a status from 300 on, unless the interface maps it to an exception of its own.
            InDoubt: 502 or 504 to a method that is not idempotent.
            DecodeFailed: the body is not of the declared type.
        """
        if response.status >= 300:
            if response.status == 404 and self.operation.optional:
                return None
            raise self._exception(response)
        if self._decode is None:
            return response if self._whole else None
        body = response.body
        if not body and self.operation.optional and not self._raw:
            return None
        try:
            return self._decode(body)
        except ValueError as error:
            raise self.misread(error, response.instance) from error

    def part(self, response: Response) -> Part[Any]:
        """Turn an answer into one page of the method's list.

        Raises:
            StatusError: see `result`.
            DecodeFailed: it is no page of the declared type.
        """
        if response.status >= 300:
            raise self._exception(response)
        assert self._decode is not None  # pages have a type
        try:
            return read_part(response, self._decode)
        except ValueError as error:
            raise self.misread(error, response.instance) from error

    def check(self, response: Response) -> None:
        """Raise what an answer with an error status is for this method."""
        if response.status >= 300:
            raise self._exception(response)

    def decoded(self, data: bytes) -> Any:
        """Read one value of a stream; ValueError if it is not of the declared type."""
        assert self._decode is not None  # streams have a type
        return self._decode(data)

    def broken(self, failure: Failure, instance: Instance | None) -> CallError:
        """Return the error that says that a stream broke."""
        kind = CallTimeout if failure.reason is Reason.TIMEOUT else ConnectionBroken
        what = f"the stream broke: {failure.detail}"
        return kind(what, service=self._service, method=self.operation.label, instance=instance)

    def misread(self, error: Exception, instance: Instance | None) -> DecodeFailed:
        """Return the error that says that an answer is not of the declared type."""
        shown = getattr(self.operation.result, "__name__", str(self.operation.result))
        return DecodeFailed(
            f"the answer is not {shown}: {error}",
            service=self._service,
            method=self.operation.label,
            instance=instance,
            hint="compare the two sides' interfaces",
        )

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        if not kwargs and len(args) == len(self._names) <= self._positional:
            return args
        values = self._defaults.copy()
        count = len(args)
        if count <= self._positional:
            values[:count] = args
            try:
                for name, value in kwargs.items():
                    index = self._index[name]
                    if index < count:
                        break
                    values[index] = value
                else:
                    if count >= self._needed or self._is_full(values):
                        return values
            except KeyError:
                pass
        bound = self.operation.signature.bind(None, *args, **kwargs)  # raises the TypeError that Python would
        bound.apply_defaults()
        return [bound.arguments[name] for name in self._names]

    def _is_full(self, values: Sequence[Any]) -> bool:
        return all(values[index] is not inspect.Parameter.empty for index in self._required)

    def _query_text(self, values: Sequence[Any]) -> str:
        pairs: list[tuple[str, str]] = []
        for index, parameter in self._query:
            value = values[index]
            if value is None:
                continue
            if parameter.is_object:
                pairs += pairs_of(value)
            elif isinstance(value, (list, tuple, set, frozenset)):
                if parameter.separator is not None:
                    pairs.append((parameter.wire, joined(list(value), parameter.separator)))
                else:
                    pairs += [(parameter.wire, text_of(each)) for each in value]
            else:
                pairs.append((parameter.wire, text_of(value)))
        return "?" + urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote) if pairs else ""

    def _header_lines(self, values: Sequence[Any]) -> bytes:
        given = [(parameter.wire, values[index]) for index, parameter in self._headers]
        return header_lines((name, text_of(value)) for name, value in given if value is not None)

    def _in_doubt(self, error: StatusError) -> InDoubt:
        doubt = InDoubt(
            f"{error.what}; it may or may not have been carried out",
            service=self._service,
            method=self.operation.label,
            instance=error.instance,
            hint="ask the same instance, or make the method idempotent",
        )
        doubt.__cause__ = error
        return doubt

    def _exception(self, response: Response) -> Exception:
        status, body, instance = response.status, response.body, response.instance
        label = self.operation.label
        error = StatusError(status, body, service=self._service, method=label, instance=instance)
        mapped = self.operation.errors.get(status)
        if mapped is None:
            return self._in_doubt(error) if status in DOUBTFUL and not self.operation.idempotent else error
        if issubclass(mapped, StatusError):
            return mapped(status, body, service=self._service, method=label, instance=instance)
        raised = mapped(_message(body))
        raised.__cause__ = error
        return raised


def at_page(request: Request, where: Next) -> Request:
    """Return the request for another page of the same list.

    Raises:
        LocalProtocolError: the service names a page that cannot be asked for.
    """
    return msgspec.structs.replace(request, target=check_target(moved(request.target, where)))


_plans: dict[type, dict[str, Plan]] = {}


def plans(interface: type) -> Mapping[str, Plan]:
    """Return the plans of an interface's methods by name, compiled once.

    Raises:
        UsageError: it has a method that cannot be a call.
    """
    found = _plans.get(interface)
    if found is None:
        service = api_of(interface).service
        made = {operation.name: Plan(operation, service) for operation in operations(interface)}
        found = _plans.setdefault(interface, made)
    return found


def _template(path: str, index: Mapping[str, int]) -> tuple[str, list[int]]:
    """Return a path as a `%` template, and the indices of the parameters that fill it."""
    parts = HOLE.split(path)
    texts = [urllib.parse.quote(part).replace("%", "%%") for part in parts[::2]]
    return "%s".join(texts), [index[part] for part in parts[1::2]]


def _placed(operation: Operation, place: Place) -> list[tuple[int, Parameter]]:
    return [(index, item) for index, item in enumerate(operation.parameters) if item.place is place]


def _media(body: Parameter) -> str | None:
    """The content type of a body; None when it differs from call to call."""
    if body.encoding == "multipart":
        return None
    if body.encoding == "form":
        return "application/x-www-form-urlencoded"
    return "application/octet-stream" if body.type is bytes else "application/json"


def _static_head(operation: Operation, media: str | None) -> bytes:
    wanted = "*/*" if operation.result in (bytes, Response) else "application/json"
    coding = accepted()
    if operation.shape == "stream":
        wanted = "*/*" if operation.result is bytes else f"{NDJSON}, {SSE};q=0.9"
        coding = "identity"  # what is packed arrives in lumps
    lines = [("accept", wanted), ("accept-encoding", coding), ("user-agent", USER_AGENT)]
    if media is not None:
        lines.append(("content-type", media))
    return header_lines(lines)


def _segment(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = text_of(value)
    if text in ("", ".", ".."):
        raise TypeError(f"{text!r} cannot be a segment of a path")
    return urllib.parse.quote(text, safe="")


def _message(body: bytes) -> str:
    """The text of an error body: FastAPI's `detail`, Spring's `message`, `error`, or the body itself."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")
    if isinstance(document, dict):
        for key in ("detail", "message", "error"):
            if isinstance(document.get(key), str):
                return str(document[key])
    return body.decode("utf-8", "replace")
