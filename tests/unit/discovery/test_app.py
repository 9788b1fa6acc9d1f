"""The ASGI application, spoken to without a socket."""

import asyncio
from typing import Any

import pytest

from tidelock import observe
from tidelock.discovery.app import RegistryApp, operation_path
from tidelock.discovery.codec import json
from tidelock.discovery.instance import Instance
from tidelock.discovery.operations import InstanceChanged
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import ManualClock
from tidelock.web import is_loopback_name, is_own_origin

BODY = json.write_instance(Instance(app="orders", instance_id="h:orders:80", host="h", ip="1"))


def ask(
    app: RegistryApp, method: str, target: str, body: bytes = b"", host: str = "localhost"
) -> tuple[int, bytes]:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), (b"content-type", b"application/json"), (b"accept", b"json")],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def an_app(**changes: Any) -> RegistryApp:
    return RegistryApp(RegistrySettings(**changes), ManualClock(), is_loopback=True)


@pytest.mark.parametrize("prefix", ["/eureka", "/eureka/v2", "/v2"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_prefix_answers_with_and_without_a_slash_at_the_end(prefix: str, slash: str) -> None:
    app = an_app()
    assert ask(app, "POST", f"{prefix}/apps/orders{slash}", BODY)[0] == 204
    for path in ("apps", "apps/delta", "apps/orders", "apps/orders/h:orders:80", "instances/h%3Aorders%3a80"):
        assert ask(app, "GET", f"{prefix}/{path}{slash}")[0] == 200
    assert ask(app, "PUT", f"{prefix}/apps/orders/h:orders:80{slash}?status=UP")[0] == 200
    assert ask(app, "DELETE", f"{prefix}/apps/orders/h%3aorders:80{slash}")[0] == 200


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/eureka/apps/A%2FB/i", ("apps", "A/B", "i")),
        ("/eureka", ()),
        ("/v2/vips/x/", ("vips", "x")),
        ("/apps", None),
        ("/favicon.ico", None),
        ("/eureka/apps/%ff", ("apps", "\ufffd")),
    ],
)
def test_paths_are_taken_apart_before_they_are_decoded(raw: str, path: tuple[str, ...] | None) -> None:
    assert operation_path(raw) == path


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8761", True),
        ("127.8.8.8", True),
        ("localhost:1", True),
        ("LocalHost", True),
        ("a.localhost:8761", True),
        ("[::1]:8761", True),
        ("registry:8761", True),
        ("evil.example", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_answered(host: str, answered: bool) -> None:
    assert is_loopback_name(host, frozenset({"registry"})) is answered
    status, _ = ask(an_app(allowed_hosts=("Registry",)), "GET", "/eureka/apps", host=host)
    assert (status == 200) is answered


def test_a_body_above_the_limit_is_413() -> None:
    assert ask(an_app(), "POST", "/eureka/apps/orders", b"x" * (1 << 21))[0] == 413


def test_the_first_value_of_a_parameter_counts() -> None:
    app = an_app()
    ask(app, "POST", "/eureka/apps/orders", BODY)
    ask(app, "PUT", "/eureka/apps/orders/h:orders:80/metadata?a=1&a=2&b=")
    assert app.registry.application("orders")[0].metadata == {"a": "1", "b": ""}


def test_changes_are_events_and_heartbeats_are_not() -> None:
    seen: list[InstanceChanged] = []
    end = observe.subscribe(InstanceChanged, seen.append)
    try:
        app = an_app()
        ask(app, "POST", "/eureka/apps/orders", BODY)
        ask(app, "PUT", "/eureka/apps/orders/h:orders:80")
        ask(app, "DELETE", "/eureka/apps/orders/h:orders:80")
    finally:
        end()
    assert [event.reason for event in seen] == ["registered", "left"]


def test_the_page_health_and_the_rest() -> None:
    app = an_app()
    assert b"No service is registered" in ask(app, "GET", "/")[1]
    assert ask(app, "GET", "/health") == (200, b'{"status":"UP"}')
    assert ask(app, "GET", "/nothing")[0] == 404


def test_callers_report_and_everybody_may_look() -> None:
    app = an_app()
    report = b'{"caller":"users","calls":[{"callee":"orders","count":50}]}'
    assert ask(app, "POST", "/eureka/calls", report) == (204, b"")
    assert ask(app, "POST", "/eureka/calls", b"{}")[0] == 400
    status, body = ask(app, "GET", "/eureka/calls")
    assert (status, b'"callee":"ORDERS"' in body) == (200, True)
    assert b"USERS" in ask(app, "GET", "/")[1]


@pytest.mark.parametrize("path", ["/", "/lastn", "/live.js", "/eureka/status"])
def test_pages_and_script_are_served(path: str) -> None:
    status, body = ask(an_app(), "GET", path)
    assert (status, bool(body)) == (200, True)


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:8761", True),
        ("https://registry:1", True),
        ("null", False),
        ("", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("file://", False),
        ("chrome-extension://localhost", False),
    ],
)
def test_pages_from_elsewhere_may_not_write(origin: str | None, is_own: bool) -> None:
    assert is_own_origin(origin, frozenset({"registry"})) is is_own
