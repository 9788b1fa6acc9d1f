"""Our answers are Java's: the same statuses, the same documents, to the byte where Java's order is fixed.

Recorded from Spring Cloud Netflix 5.0.2 over Netflix eureka 2.0.6 by `record.py`. What may differ: the order
of applications and of metadata (Java's hash maps), the number in a delta's `versions__delta`, timestamps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest

from tests.conformance.eureka.exchanges import EXCHANGES, Exchange, normal
from tidelock.discovery.app import operation_path
from tidelock.discovery.lease import Moment
from tidelock.discovery.operations import Operations, Reply, Request
from tidelock.discovery.registry import Registry

RECORDED = json.loads((Path(__file__).parent / "answers.json").read_text(encoding="utf-8"))

START = 1_800_000_000.0

QUIRK = (
    "<status>DOWN</status>\n  <overriddenstatus>OUT_OF",
    "<status>OUT_OF_SERVICE</status>\n  <overriddenstatus>OUT_OF",
)
"""Java writes OUT_OF_SERVICE as DOWN in the XML of one instance, for clients older than version 2; not we."""


def answers() -> Iterator[tuple[Exchange, dict[str, Any], Reply]]:
    """Send everything in order, a hundredth of a second apart."""
    operations = Operations(Registry())
    for number, (exchange, recorded) in enumerate(zip(EXCHANGES, RECORDED, strict=True)):
        path, _, query = exchange.path.partition("?")
        segments = operation_path(path)
        assert segments is not None
        headers = {name.lower(): value for name, value in exchange.headers().items()}
        now = Moment(number / 100, START + number / 100)
        request = Request(
            exchange.method, segments, now, dict(parse_qsl(query)), headers, exchange.body.encode()
        )
        yield exchange, recorded, operations.answer(request)


CASES = [pytest.param(*case, id=f"{number}-{case[0].name}") for number, case in enumerate(answers())]


def canonical(text: str) -> Any:
    """Return a document without the order that Java's hash maps give it."""
    if text.startswith("<"):
        return canonical_element(ElementTree.fromstring(text))
    tree = json.loads(text)
    if "applications" in tree:
        tree["applications"]["application"].sort(key=lambda application: application["name"])
    return tree


def canonical_element(element: ElementTree.Element) -> Any:
    inner = sorted((canonical_element(child) for child in element), key=repr)
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), inner


def without_version(text: str, recorded: str) -> str:
    """Give our delta the number that Java's has."""
    for mark in ('"versions__delta":"', "<versions__delta>"):
        if mark in text:
            head, _, tail = text.partition(mark)
            number = recorded.partition(mark)[2].split('"')[0].split("<")[0]
            return f"{head}{mark}{number}{tail.lstrip('0123456789-')}"
    return text


@pytest.mark.parametrize(("exchange", "recorded", "reply"), CASES)
def test_an_answer_is_java_s(exchange: Exchange, recorded: dict[str, Any], reply: Reply) -> None:
    assert recorded["name"] == exchange.name
    assert reply.status == recorded["status"]
    ours, theirs = normal(reply.body.decode()), recorded["body"].replace(*QUIRK)
    if reply.status >= 400:
        assert refusal(ours) == refusal(theirs)
        return
    if "delta" in exchange.path:
        ours = without_version(ours, theirs)
    if ours != theirs:
        assert canonical(ours) == canonical(theirs)
        assert not is_ordered(exchange)


def refusal(text: str) -> Any:
    """What clients look at in an error: a plain text, or Boot's status and path, or the codec's sentence."""
    if not text.startswith("{"):
        return text
    body = json.loads(text)
    return body.get("status"), body["error"], body.get("path")


def is_ordered(exchange: Exchange) -> bool:
    """Whether nothing in the document hangs on the order of a hash map: one application, one metadata key."""
    return exchange.path.startswith(("/eureka/apps/ORDERS", "/eureka/apps/JS-USERS", "/eureka/vips/shop"))


def test_the_recording_covers_the_codec() -> None:
    documents = [one["body"] for one in RECORDED if one["status"] == 200 and one["body"]]
    assert len(documents) >= 40
    assert any("AmazonInfo" in body for body in documents)
    assert any("a__b" in body for body in documents)
