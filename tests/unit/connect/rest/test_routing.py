import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tidelock.connect.rest.routing import Doorkeeper, Reply, Request, Route, Router
from tidelock.errors import ConflictError, NotFoundError, RefusedError, TidelockError, UsageError

ERRORS: dict[str, Exception] = {
    "missing": NotFoundError("gone"),
    "taken": ConflictError("taken"),
    "wrong": UsageError("wrong"),
    "refused": RefusedError("no"),
    "broken": ValueError("bug"),
    "other": TidelockError("other"),
}


async def echo(request: Request) -> Reply:
    return Reply(
        200, {"segments": list(request.segments), "x": request.query("x"), "flag": request.flag("f", False)}
    )


async def fail(request: Request) -> Reply:
    raise ERRORS[request.segments[0]]


async def made(request: Request) -> Reply:
    return Reply(201, await request.json(), "/things/1")


async def nothing(request: Request) -> Reply:
    return Reply(204)


APP = Router(
    [
        Route("GET", "/things/*", echo),
        Route("DELETE", "/things/*", nothing),
        Route("GET", "/things/*/fail", fail),
        Route("POST", "/things", made),
    ]
)


def call(
    method: str,
    path: str,
    query: str = "",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any, dict[bytes, bytes]]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    asyncio.run(APP(scope, receive, send))
    content = sent[1]["body"]
    return sent[0]["status"], json.loads(content) if content else None, dict(sent[0]["headers"])


def test_segments_are_decoded_one_by_one() -> None:
    status, answer, _ = call("GET", "/things/a%2Fb%20c", "x=1&x=2&f=TRUE")
    assert (status, answer) == (200, {"segments": ["a/b c"], "x": ["1", "2"], "flag": True})


def test_a_slash_at_the_end_is_the_same_path() -> None:
    assert call("GET", "/things/a/")[0] == 200


def test_bodies_and_location() -> None:
    status, answer, headers = call("POST", "/things", body=b'{"a":1}')
    assert (status, answer, headers[b"location"]) == (201, {"a": 1}, b"/things/1")
    assert call("DELETE", "/things/a")[:2] == (204, None)


def test_a_broken_body_is_the_clients_fault() -> None:
    status, answer, _ = call("POST", "/things", body=b'{"a":x}')
    assert status == answer["error_code"] == 400
    assert "line 1" in answer["message"]


def test_unknown_paths_and_methods() -> None:
    assert call("GET", "/nope")[:2] == (404, {"error_code": 404, "message": "HTTP 404 Not Found"})
    assert call("PUT", "/things/a")[:2] == (
        405,
        {"error_code": 405, "message": "HTTP 405 Method Not Allowed"},
    )


@pytest.mark.parametrize(
    ("which", "status"), [("missing", 404), ("taken", 409), ("wrong", 400), ("other", 500), ("broken", 500)]
)
def test_errors_answer_with_their_status(which: str, status: int) -> None:
    assert call("GET", f"/things/{which}/fail")[1]["error_code"] == status


def test_a_bug_is_named_but_not_spread() -> None:
    assert call("GET", "/things/broken/fail")[1] == {"error_code": 500, "message": "ValueError: bug"}


HERE = {b"host": b"127.0.0.1:8083"}
JSON = {b"content-length": b"2", b"content-type": b"application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (HERE, None),
        ({b"host": b"localhost:8083", b"origin": b"http://localhost:8090"}, None),
        ({b"host": b"worker.example:8083"}, None),
        (HERE | JSON, None),
        ({b"host": b"rebound.example:8083"}, 421),
        ({}, 421),
        (HERE | {b"origin": b"https://elsewhere.example"}, 403),
        (HERE | {b"origin": b"null"}, 403),
        (HERE | {b"content-length": b"2", b"content-type": b"text/plain"}, 415),
        (HERE | {b"content-length": b"2"}, 415),
        (HERE | {b"transfer-encoding": b"chunked"}, 415),
        (HERE | {b"content-length": b"0"}, None),
    ],
)
def test_no_web_page_drives_a_worker(headers: dict[bytes, bytes], status: int | None) -> None:
    refusal = Doorkeeper(is_loopback=True, hosts=frozenset({"worker.example"})).refusal(headers)
    assert (refusal and refusal.status) == status


def test_a_worker_that_listens_for_others_still_wants_json() -> None:
    door = Doorkeeper()
    assert door.refusal({b"host": b"worker.example"}) is None
    refused = call(
        "POST", "/things", body=b"{}", headers={"content-length": "2", "content-type": "text/plain"}
    )
    assert refused[:1] == (415,)
