"""One interface in three kinds of models, for the table of frameworks and clients.

Annotations are real here (no postponed evaluation): the classes are made in a function.
"""

import dataclasses
import datetime
import enum
import random
from typing import Any

import msgspec
import pydantic

from tidelock import http

KINDS = ("struct", "dataclass", "pydantic")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Taken(Exception):
    """409."""


def _model(kind: str, name: str, fields: list[tuple[Any, ...]]) -> Any:
    if kind == "struct":
        return msgspec.defstruct(name, fields)
    if kind == "dataclass":
        return dataclasses.make_dataclass(
            name, [(*each[:2], _default(each[2])) if len(each) > 2 else each for each in fields]
        )
    made = {each[0]: (each[1], each[2] if len(each) > 2 else ...) for each in fields}
    return pydantic.create_model(name, **made)


def _default(value: Any) -> Any:
    return dataclasses.field(default_factory=list) if value == [] else dataclasses.field(default=value)


class Models:
    """The models of one kind."""

    def __init__(self, kind: str) -> None:
        self.Line = _model(kind, "Line", [("sku", str), ("count", int)])
        self.Box = _model(
            kind,
            "Box",
            [
                ("id", int),
                ("name", str),
                ("colour", Colour, Colour.RED),
                ("made", datetime.date | None, None),
                ("lines", list[self.Line], []),
                ("weight", float, 0.0),
            ],
        )
        self.Filter = _model(
            kind, "Filter", [("owner", str), ("limit", int, 10), ("tags", list[str] | None, None)]
        )
        self.Login = _model(kind, "Login", [("user", str), ("roles", list[str]), ("remember", bool, False)])
        self.Upload = _model(kind, "Upload", [("title", str), ("file", http.File)])


def interface(models: Models) -> tuple[Any, Any]:
    """Return the interface and an implementation of it."""
    shelves = _shelves(models)
    return shelves, _bodies(models, _reading(models, shelves))


def _shelves(models: Models) -> Any:
    Box, Filter, Login, Upload = models.Box, models.Filter, models.Login, models.Upload

    @http.api("shelves", path="/boxes", errors={409: Taken})
    class Shelves:
        @http.get("/{id}")
        async def get(self, id: int) -> Box | None:
            raise NotImplementedError

        @http.put("/{id}")
        async def put(self, id: int, box: Box) -> Box:
            raise NotImplementedError

        @http.post("/many")
        async def many(self, boxes: list[Box], note: http.Header[str] = "none") -> list[Box]:
            raise NotImplementedError

        @http.get("/find")
        async def find(self, filter: http.Query[Filter]) -> str:
            raise NotImplementedError

        @http.get("/joined")
        async def joined(self, tags: http.Csv[list[str]], ids: http.Pipes[list[int]] = []) -> str:  # noqa: B006
            raise NotImplementedError

        @http.post("/login")
        async def login(self, login: http.Form[Login]) -> str:
            raise NotImplementedError

        @http.post("/upload")
        async def upload(self, upload: http.Multipart[Upload]) -> bytes:
            raise NotImplementedError

        @http.delete("/{id}")
        async def delete(self, id: int) -> None:
            raise NotImplementedError

        @http.get("/pages")
        def pages(self, size: int, cursor: str | None = None) -> http.Page[Box]:
            raise NotImplementedError

    return Shelves


def _reading(models: Models, shelves: Any) -> Any:
    Box, Filter = models.Box, models.Filter

    class Reading(shelves):
        async def get(self, id: int) -> Box | None:
            return Box(id=id, name=f"box {id}") if id % 3 else None

        async def find(self, filter: Filter) -> str:
            return f"{filter.owner} {filter.limit} {filter.tags}"

        async def joined(self, tags: list[str], ids: list[int] = []) -> str:  # noqa: B006
            return f"{tags} {ids}"

        def pages(self, size: int, cursor: str | None = None) -> http.Page[Box]:
            start = int(cursor or 0)
            boxes = [Box(id=number, name="p") for number in range(start, min(start + size, 7))]
            return http.page(boxes, str(start + size) if start + size < 7 else None)

    return Reading


def _bodies(models: Models, reading: Any) -> Any:
    Box, Login, Upload = models.Box, models.Login, models.Upload

    class Here(reading):
        async def put(self, id: int, box: Box) -> Box:
            if id == 9:
                raise Taken("by somebody else")
            return box

        async def many(self, boxes: list[Box], note: str = "none") -> list[Box]:
            return [Box(id=each.id, name=note) for each in boxes]

        async def login(self, login: Login) -> str:
            return f"{login.user} {login.remember} {login.roles}"

        async def upload(self, upload: Upload) -> bytes:
            return upload.title.encode() + upload.file.content + upload.file.name.encode()

        async def delete(self, id: int) -> None:
            if id == 9:
                raise Taken("still")

    return Here


def cases(models: Models, seed: int) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Calls with random arguments: method, positional, named."""
    rng = random.Random(seed)

    def text() -> str:
        return "".join(rng.choice('aZ0 _-&=?#%+"/\\üß漢💧;:,|') for _ in range(rng.randint(1, 12)))

    def box(id: int) -> Any:
        lines = [models.Line(sku=text(), count=rng.randint(-9, 9)) for _ in range(rng.randint(0, 3))]
        made = (
            datetime.date(2020, 1, 1) + datetime.timedelta(rng.randint(0, 3000))
            if rng.random() < 0.5
            else None
        )
        colour = rng.choice(list(Colour))
        return models.Box(id=id, name=text(), colour=colour, made=made, lines=lines, weight=rng.random())

    def words() -> list[str]:
        return [text().translate(dict.fromkeys(map(ord, ",|"))) or "x" for _ in range(rng.randint(1, 3))]

    found: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for number in range(10):
        note = "".join(rng.choice("abc XYZ-_.") for _ in range(8)).strip() or "n"
        content = rng.randbytes(rng.randint(0, 300)) + b"\r\n--\r\n"
        found += [
            ("get", (number,), {}),
            ("put", (number, box(number)), {}),
            ("many", ([box(each) for each in range(number % 4)],), {"note": note}),
            ("find", (models.Filter(owner=text(), limit=number, tags=words() if number % 2 else None),), {}),
            ("joined", (words(), [rng.randint(-5, 99) for _ in range(number % 4)]), {}),
            ("login", (models.Login(user=text(), roles=words(), remember=number % 2 == 0),), {}),
            ("upload", (models.Upload(title=text(), file=http.File(content, text(), "image/png")),), {}),
            ("delete", (number,), {}),
        ]
    return found
