"""The description at /openapi.json names what there is, and nothing else."""

from __future__ import annotations

import re

import msgspec

from tidelock.discovery import openapi
from tidelock.discovery.operations import ANY, ROUTES

BEYOND = {
    ("GET", "/watch"),
    ("POST", "/watch/ack"),
    ("POST", "/suspect"),
    ("GET", "/calls"),
    ("POST", "/calls"),
}
"""Operations that `app` and `push` answer themselves."""


def test_every_operation_is_described_and_every_description_is_an_operation() -> None:
    described = {
        (method.upper(), re.sub(r"{\w+}", ANY, path))
        for path, methods in openapi.PATHS.items()
        for method in methods
    }
    routed = {
        (method, "/" + "/".join(pattern))
        for pattern, methods in ROUTES
        for method in methods
        if (method, pattern) != ("POST", ("apps", "delta"))  # an application may be called so
    }
    assert described == routed | BEYOND


def test_every_reference_leads_somewhere() -> None:
    tree = msgspec.json.decode(openapi.document("1.2.3"))
    assert tree["info"]["version"] == "1.2.3"
    names = set(re.findall(r"#/components/schemas/(\w+)", openapi.document("1.2.3").decode()))
    assert names == set(tree["components"]["schemas"])
