"""`module:attribute` is found, or the error says which part of it is wrong."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import flask
import pytest
from starlette.applications import Starlette

from tidelock import http
from tidelock.cli.run.loading import NoApplicationError, load
from tidelock.web import Receive, Scope, Send


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("shop_of_the_test")
    module.app = bare
    module.make = lambda: bare
    module.inner = module
    module.number = 3
    module.flask = flask.Flask("x")
    module.registered = http.register(Starlette(), "x", port=1)
    module.wrapped = http.register(bare, "x", port=1)
    monkeypatch.setitem(sys.modules, "shop_of_the_test", module)


def test_an_application_is_found() -> None:
    assert load("shop_of_the_test:app") is bare
    assert load("shop_of_the_test:inner.inner.app") is bare
    assert load("shop_of_the_test:make", is_factory=True) is bare


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("shop", "names no application"),
        ("shop:", "names no application"),
        ("no_such_module_here:app", "there is no module no_such_module_here"),
        ("shop_of_the_test:nothing", "has no nothing"),
        ("shop_of_the_test:appp", "did you mean shop_of_the_test:app?"),
        ("shop_of_the_test:inner.wraped", "did you mean shop_of_the_test:inner.wrapped?"),
        ("shop_of_the_test:number", "cannot be called"),
        ("shop_of_the_test:flask", "is a WSGI application"),
        ("shop_of_the_test:registered", "registers itself"),
        ("shop_of_the_test:wrapped", "registers itself"),
    ],
)
def test_what_is_wrong_is_said(name: str, says: str) -> None:
    with pytest.raises(NoApplicationError, match=re.escape(says)):
        load(name)
