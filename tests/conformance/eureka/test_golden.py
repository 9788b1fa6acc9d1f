"""The codecs write what Java's write, byte for byte, and understand what Java's understand.

golden.json was written once by the codecs of Netflix eureka 2.0.6 and Spring Cloud Netflix 5.0.2 (see
`record_golden.py`). Each document is written anew from what was read: a full one from itself, a compact one
from the full one in JSON, and what a client sent from `given`.
"""

from __future__ import annotations

import json as standard
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tidelock.discovery.codec import json, xml
from tidelock.discovery.codec.fields import BadDocumentError, applications_from, instance_from
from tidelock.discovery.documents import Form
from tidelock.discovery.instance import Instance
from tidelock.discovery.lease import Moment
from tidelock.discovery.operations import Operations, Request
from tidelock.discovery.registry import Registry

CASES = standard.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
FORMS = {form.name.lower(): form for form in Form}
DOCUMENTS = [
    pytest.param(case, form, id=f"{case['name']}, {form}") for case in CASES for form in case["documents"]
]
MUTATIONS = 10_000


def reader(text: str) -> ModuleType:
    return xml if text.startswith("<") else json


def source(case: dict[str, Any], form: str) -> str:
    """The text that a document is made of."""
    documents: dict[str, str] = case["documents"]
    return case.get("given") or (documents["json"] if form.endswith("_compact") else documents[form])


def written(case: dict[str, Any], form: str) -> bytes:
    text = source(case, form)
    tree = reader(text).read_tree(text.encode(), case["root"])
    if case["root"] == "instance":
        return FORMS[form].instance(instance_from(tree))
    if case["root"] == "applications":
        return FORMS[form].applications(applications_from(tree))
    ((name, instances),) = applications_from({"application": tree}).instances.items()
    return FORMS[form].application(name, instances)


@pytest.mark.parametrize(("case", "form"), DOCUMENTS)
def test_a_document_is_java_s_to_the_byte(case: dict[str, Any], form: str) -> None:
    assert written(case, form).decode() == case["documents"][form]


def test_there_are_enough_of_them() -> None:
    assert len(DOCUMENTS) >= 40
    assert {form for case in CASES for form in case["documents"]} == set(FORMS)


@pytest.mark.parametrize("case", [case for case in CASES if "json_compact" in case["documents"]])
def test_both_formats_say_the_same(case: dict[str, Any]) -> None:
    def said(text: str) -> list[Instance]:
        tree = reader(text).read_tree(text.encode(), case["root"])
        groups = tree if case["root"] == "applications" else {"application": tree}
        found = applications_from(groups).instances
        return [instance for instances in found.values() for instance in instances]

    documents = case["documents"]
    assert said(documents["json"]) == said(documents["xml"])
    assert said(documents["json_compact"]) == said(documents["xml_compact"])


# damaged on their way


def mutated(draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Registrations with one to four places damaged: bytes changed, lost, doubled, put elsewhere."""
    documents = [text for case in CASES if case["root"] == "instance" for text in case["documents"].values()]
    pieces = [
        b"",
        b"<",
        b">",
        b"&",
        b"&a;",
        b'"',
        b"{",
        b"}",
        b"[",
        b"null",
        b"-1",
        b"1e999",
        b"\0",
        b"\xff",
        b"</a>",
    ]
    for _ in range(MUTATIONS):
        body = bytearray(draw.choice(documents).encode())
        is_json = body[:1] == b"{"
        for _ in range(draw.randint(1, 4)):
            start = draw.randrange(len(body) + 1)
            end = min(len(body), start + draw.choice([0, 1, 1, 2, 8, 40]))
            body[start:end] = draw.choice([*pieces, bytes([draw.randrange(256)]), bytes(body[: end - start])])
        yield "application/json" if is_json else "application/xml", bytes(body)


def test_damaged_registrations_are_taken_or_refused_with_400() -> None:
    operations = Operations(Registry())
    statuses: dict[int, int] = {}
    for number, (kind, body) in enumerate(mutated(random.Random(20))):
        now = Moment(float(number), 1_800_000_000.0 + number)
        headers = {"content-type": kind}
        status = operations.answer(Request("POST", ("apps", "ORDERS"), now, {}, headers, body)).status
        statuses[status] = statuses.get(status, 0) + 1
    assert set(statuses) == {204, 400}
    assert sum(statuses.values()) == MUTATIONS


@pytest.mark.parametrize("case", [case for case in CASES if case["root"] == "instance"][:3])
def test_a_doctype_is_refused_wherever_it_comes_from(case: dict[str, Any]) -> None:
    text = case["documents"]["xml"]
    for declared in ("<!DOCTYPE instance>", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'):
        with pytest.raises(BadDocumentError, match="DOCTYPE"):
            xml.read_tree(f"{declared}{text}".encode(), "instance")
