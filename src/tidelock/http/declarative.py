"""The neutral interface: `@api class Orders` with `@get`, `@post`, ... methods; neither client nor server.

    @api("order-service", path="/orders", timeout=2.0, errors={409: OutOfStock})
    class Orders:
        @get("/{id}")
        async def get(self, id: int) -> Order | None: ...         # 404 becomes None
        @post(idempotent=True)                                    # sends an Idempotency-Key
        async def place(self, order: NewOrder, *, tenant: Header[str] = "eu") -> Order: ...

Decorating only notes what was said. `operations` reads the signatures when the interface is first used,
because annotations may name types that are defined further down; `plan` compiles them for calling, `serve`
for answering. Where a parameter goes: in the path if the path names it, a header if marked `Header`, the
body if it is a Struct, dataclass, pydantic model, mapping or bytes (or a list of those, or marked `Body`),
else the query.
"""

from __future__ import annotations

import enum
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from tidelock.errors import UsageError
from tidelock.http.codec import is_structured
from tidelock.http.paging import Page
from tidelock.http.retry import IDEMPOTENT_METHODS
from tidelock.http.streaming import Stream

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
C = TypeVar("C", bound=type)

API_ATTRIBUTE = "__tidelock_api__"
SHAPES: dict[Any, str] = {Page: "page", Stream: "stream"}
"""What a method may return besides one value."""

HOLE = re.compile(r"\{(\w+)\}")


class Place(enum.Enum):
    """Where a parameter travels."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Marker:
    """Annotated metadata: where a parameter travels, and how.

    Attributes:
        place: where.
        name: the name on the wire when it is not the parameter's.
        separator: what joins a collection into one text; None repeats the parameter.
        encoding: of a body: "json", "form" or "multipart".
    """

    place: Place
    name: str | None = None
    separator: str | None = None
    encoding: str = "json"


Header = Annotated[T, Marker(Place.HEADER)]
"""`tenant: Header[str]` travels in the header `tenant`; `x_tenant` becomes `x-tenant`."""

Query = Annotated[T, Marker(Place.QUERY)]
"""Where a parameter would be taken for a body: `filter: Query[Filter]` sends each field of the object."""

Csv = Annotated[T, Marker(Place.QUERY, separator=",")]
"""`tags: Csv[list[str]]` is sent as `tags=a,b` instead of `tags=a&tags=b`."""

Ssv = Annotated[T, Marker(Place.QUERY, separator=" ")]
"""The same, separated by spaces."""

Tsv = Annotated[T, Marker(Place.QUERY, separator="\t")]
"""The same, separated by tabs."""

Pipes = Annotated[T, Marker(Place.QUERY, separator="|")]
"""The same, separated by `|`."""

Form = Annotated[T, Marker(Place.BODY, encoding="form")]
"""`login: Form[Login]` travels as application/x-www-form-urlencoded."""

Multipart = Annotated[T, Marker(Place.BODY, encoding="multipart")]
"""`upload: Multipart[Upload]` travels as multipart/form-data; fields of type `File` or bytes are files."""

Body = Annotated[T, Marker(Place.BODY)]
"""`ids: Body[list[int]]`; only needed for types that would go into the query."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a method's decorator says."""

    verb: str
    path: str
    idempotent: bool
    timeout: float | None
    errors: Mapping[int, type[Exception]]
    affinity: str | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """What the class decorator says, and the routes it found."""

    service: str
    path: str
    timeout: float | None
    errors: Mapping[int, type[Exception]]
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method: `wire` is its name in the query or header.

    Attributes:
        separator: what joins a collection; None repeats the parameter.
        encoding: of a body.
        is_object: it is a query object, each of whose fields is a parameter.
    """

    name: str
    wire: str
    place: Place
    type: Any
    default: Any
    separator: str | None = None
    encoding: str = "json"
    is_object: bool = False

    @property
    def required(self) -> bool:
        """Whether callers must give it."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Operation:
    """One method, fully understood.

    Attributes:
        label: as "GET /orders/{id}".
        path: the whole path template.
        result: the type without `| None`; `type(None)` when nothing is returned.
        optional: 404 is None instead of an error.
        affinity: the parameter by whose value an instance is chosen.
        shape: how the result comes: "value", "page" for `Page[result]`, "stream" for `Stream[result]`.
    """

    name: str
    label: str
    verb: str
    path: str
    parameters: tuple[Parameter, ...]
    signature: inspect.Signature
    result: Any
    optional: bool
    idempotent: bool
    keyed: bool
    timeout: float | None
    errors: Mapping[int, type[Exception]]
    affinity: str | None
    shape: str = "value"


class Declared:
    """A decorated method inside the class body, until `@api` puts the plain function back.

    A method named `get` hides the decorator `get` for the rest of the class body; called like the
    decorator, it therefore answers as the decorator. (A type checker still objects: write `@http.get`
    there.)
    """

    def __init__(self, function: Callable[..., Any], route: Route) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.route = route

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer as the decorator that this method's name hides."""
        decorator = VERBS.get(self.function.__name__)
        if decorator is None or (args and not isinstance(args[0], str)):
            raise UsageError(
                f"{self.function.__qualname__} belongs to a class that is not decorated",
                hint='put @api("the-service") on the class',
            )
        return decorator(*args, **kwargs)


def api(
    service: str,
    *,
    path: str = "",
    timeout: float | None = None,
    errors: Mapping[int, type[Exception]] | None = None,
) -> Callable[[C], C]:
    """Make a class the interface of a service.

    Args:
        service: its name in the registry.
        path: prefix of all its paths.
        timeout: seconds for a whole call, all attempts included; None takes the client's.
        errors: status -> the exception that callers get and that the server may raise.

    Raises:
        UsageError: no decorated method, or a path that does not begin with a slash.
    """
    _check_path(path, service)

    def decorate(cls: C) -> C:
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, Declared)}
        inherited = getattr(cls, API_ATTRIBUTE, None)
        routes = dict(inherited.routes) if inherited is not None else {}
        routes.update({name: value.route for name, value in declared.items()})
        if not routes:
            raise UsageError(f"{cls.__qualname__} has no method with @get, @post, ...", hint="decorate one")
        for name, value in declared.items():
            setattr(cls, name, value.function)
        setattr(cls, API_ATTRIBUTE, Api(service, path.rstrip("/"), timeout, dict(errors or {}), routes))
        return cls

    return decorate


class Verb(typing.Protocol):
    """The type of `get`, `post`, ...: what their keywords are, and that the method keeps its type."""

    def __call__(
        self,
        path: str = "",
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        errors: Mapping[int, type[Exception]] | None = None,
        affinity: str | None = None,
    ) -> Callable[[F], F]:
        """Declare the method below.

        Args:
            path: appended to the interface's; `{name}` is filled from the parameter of that name.
            idempotent: repeating it cannot double an effect; POST and PATCH then carry an Idempotency-Key.
            timeout: seconds; overrides the interface's.
            errors: status -> exception; added to the interface's.
            affinity: name of a parameter; calls with the same value of it go to the same instance.
        """


def _verb(verb: str) -> Verb:
    def declare(
        path: str = "",
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        errors: Mapping[int, type[Exception]] | None = None,
        affinity: str | None = None,
    ) -> Callable[[F], F]:
        _check_path(path, verb)
        route = Route(verb, path, idempotent, timeout, dict(errors or {}), affinity)

        def decorate(function: F) -> F:
            return typing.cast("F", Declared(function, route))

        return decorate

    declare.__name__ = verb.lower()
    declare.__doc__ = f"Declare a method that sends {verb}; see Verb."
    return declare


get = _verb("GET")
post = _verb("POST")
put = _verb("PUT")
patch = _verb("PATCH")
delete = _verb("DELETE")
head = _verb("HEAD")

VERBS: dict[str, Callable[..., Any]] = {
    "get": get,
    "post": post,
    "put": put,
    "patch": patch,
    "delete": delete,
    "head": head,
}


def _check_path(path: str, where: str) -> None:
    if path and not path.startswith("/"):
        raise UsageError(f"the path {path!r} does not begin with a slash", where=where)


def api_of(interface: type) -> Api:
    """Return what `@api` noted on a class.

    Raises:
        UsageError: it is no such class.
    """
    found = getattr(interface, API_ATTRIBUTE, None)
    if not isinstance(found, Api):
        raise UsageError(
            f"{getattr(interface, '__qualname__', interface)!r} is not an interface",
            hint='decorate the class with @api("the-service") and its methods with @get, @post, ...',
        )
    return found


def operations(interface: type) -> tuple[Operation, ...]:
    """Read all methods of an interface.

    Raises:
        UsageError: a method that cannot be a call, with the reason.
    """
    noted = api_of(interface)
    return tuple(_operation(interface, noted, name, route) for name, route in noted.routes.items())


def _operation(interface: type, noted: Api, name: str, route: Route) -> Operation:
    function = declared_function(interface, name)
    where = f"{interface.__qualname__}.{name}"
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        hint = "define the types at the top level of the module, where the annotation can see them"
        raise UsageError(f"an annotation of {where} is not known: {error}", hint=hint) from None
    returned = hints.get("return", inspect.Parameter.empty)
    shape = SHAPES.get(typing.get_origin(returned), "value")
    if inspect.iscoroutinefunction(function) is not (shape == "value"):
        wanted = "`async def`" if shape == "value" else "a plain `def`, since it returns an iterable"
        raise UsageError(
            f"{where} is {'not ' if shape == 'value' else ''}async", hint=f"write it as {wanted}"
        )
    path = (noted.path + route.path) or "/"
    signature = inspect.signature(function)
    parameters = tuple(
        _parameter(item, hints, path, where) for item in list(signature.parameters.values())[1:]
    )
    _check(parameters, path, route.verb, where)
    if route.affinity is not None and route.affinity not in {item.name for item in parameters}:
        raise UsageError(f"the affinity {route.affinity!r} of {where} is no parameter of it")
    if shape == "value":
        result, optional = _result(returned, where)
    else:
        result, optional = typing.get_args(returned)[0], False
    natural = route.verb in IDEMPOTENT_METHODS
    has_key = any(item.place is Place.HEADER and item.wire == "idempotency-key" for item in parameters)
    return Operation(
        name=name,
        label=f"{route.verb} {path}",
        verb=route.verb,
        path=path,
        parameters=parameters,
        signature=signature,
        result=result,
        optional=optional,
        idempotent=natural or route.idempotent or has_key,
        keyed=route.idempotent and not natural and not has_key,
        timeout=route.timeout if route.timeout is not None else noted.timeout,
        errors={**noted.errors, **route.errors},
        affinity=route.affinity,
        shape=shape,
    )


def declared_function(interface: type, name: str) -> Callable[..., Any]:
    """The function of the interface itself, also when `interface` is an implementation of it."""
    for cls in reversed(interface.__mro__):
        if API_ATTRIBUTE in vars(cls) and name in vars(cls):
            return typing.cast("Callable[..., Any]", vars(cls)[name])
    raise UsageError(f"{interface.__qualname__}.{name} is not declared")


def _parameter(item: inspect.Parameter, hints: Mapping[str, Any], path: str, where: str) -> Parameter:
    if item.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        raise UsageError(f"{where} takes *{item.name}, which has no place in a request", hint="name them")
    if item.name not in hints:
        raise UsageError(f"the parameter {item.name!r} of {where} has no type", hint="annotate it")
    kind, marker = _unmarked(hints[item.name])
    if item.name in HOLE.findall(path):
        place = Place.PATH
    elif marker is not None:
        place = marker.place
    else:
        place = Place.BODY if is_structured(kind) else Place.QUERY
    wire = marker.name if marker is not None and marker.name else item.name
    if place is Place.HEADER:
        wire = wire.replace("_", "-").lower()
    marker = marker or Marker(place)
    is_object = place is Place.QUERY and is_structured(kind)
    return Parameter(item.name, wire, place, kind, item.default, marker.separator, marker.encoding, is_object)


def _unmarked(hint: Any) -> tuple[Any, Marker | None]:
    if typing.get_origin(hint) is Annotated:
        kind, *extras = typing.get_args(hint)
        marker = next((extra for extra in extras if isinstance(extra, Marker)), None)
        if marker is not None:
            return kind, marker
    return hint, None


def _check(parameters: tuple[Parameter, ...], path: str, verb: str, where: str) -> None:
    missing = [name for name in HOLE.findall(path) if name not in {item.name for item in parameters}]
    if missing:
        raise UsageError(f"the path of {where} names {missing[0]!r}, which is no parameter", where=path)
    bodies = [item.name for item in parameters if item.place is Place.BODY]
    if len(bodies) > 1:
        raise UsageError(
            f"{where} has more than one body: {', '.join(bodies)}",
            hint="put them into one type, or mark the others with Query or Header",
        )
    if bodies and verb in ("GET", "HEAD"):
        raise UsageError(f"{where} sends {verb}, which has no body, but {bodies[0]!r} would be one")


def _result(hint: Any, where: str) -> tuple[Any, bool]:
    if hint is inspect.Parameter.empty:
        raise UsageError(f"{where} does not say what it returns", hint="annotate it; `-> None` for nothing")
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = tuple(arg for arg in typing.get_args(hint) if arg is not type(None))
        if len(rest) < len(typing.get_args(hint)):
            return typing.Union[rest], True  # noqa: UP007  built from a tuple
    return hint, False
