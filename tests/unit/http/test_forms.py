"""Query objects, forms and multipart: what is written is read; what is not one is a ValueError."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.http.forms import (
    File,
    joined,
    object_reader,
    pairs_of,
    read_form,
    read_multipart,
    write_form,
    write_multipart,
)


class Struct(msgspec.Struct, rename="camel"):
    user_name: str
    tags: list[str] = []
    limit: int | None = None


@dataclass
class Data:
    userName: str
    tags: list[str] = field(default_factory=list)
    limit: int | None = None


class Model(pydantic.BaseModel):
    user_name: str = pydantic.Field(alias="userName")
    tags: list[str] = []
    limit: int | None = None


OBJECTS = [
    Struct("a", ["x", "y"], 3),
    Data("a", ["x", "y"], 3),
    Model(userName="a", tags=["x", "y"], limit=3),
    Struct("only"),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_survives_a_query_and_a_form(value: Any) -> None:
    read = object_reader(type(value))
    given_by_name: dict[str, list[str]] = {}
    for name, text in pairs_of(value):
        given_by_name.setdefault(name, []).append(text)
    assert read(given_by_name) == value
    assert read(read_form(write_form(value))) == value
    assert "user_name" not in given_by_name


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, st.binary(max_size=200), texts)
def test_any_file_survives_a_multipart_body(title: str, content: bytes, name: str) -> None:
    name = name.replace("%22", "").replace("%0D", "").replace("%0A", "")
    value = {"title": title, "files": [File(content, name, "image/png"), File(b"")], "gone": None}
    body = write_multipart(value, "b0undary")
    found = read_multipart(body, 'multipart/form-data; boundary="b0undary"')
    assert found == {"title": [title], "files": value["files"]}


@given(st.binary(max_size=300))
def test_no_bytes_can_break_a_reader(body: bytes) -> None:
    for wrapped in (body, b"--b\r\n" + body + b"\r\n--b--\r\n"):
        with contextlib.suppress(ValueError):
            read_multipart(wrapped, "multipart/form-data; boundary=b")
    with contextlib.suppress(ValueError):
        read_form(body)


def test_a_field_cannot_break_out_of_its_head() -> None:
    body = write_multipart({'a"\r\nx: y': File(b"c", 'n"\r\nz: w', "t\r\nv: u")}, "b")
    head = body.split(b"\r\n\r\n")[0]
    assert [line.split(b":")[0] for line in head.split(b"\r\n")[1:]] == [
        b"content-disposition",
        b"content-type",
    ]


def test_a_joined_value_must_not_contain_what_joins() -> None:
    assert joined(["a", 1, True], "|") == "a|1|true"
    with pytest.raises(TypeError, match="separates the values"):
        joined(["a,b"], ",")
