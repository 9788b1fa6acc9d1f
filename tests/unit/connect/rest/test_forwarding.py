"""Which worker answers a request, and how often it is passed on."""

import asyncio
import json
from typing import Any

import pytest

from tidelock.connect.distributed.group_protocol import TaskId
from tidelock.connect.distributed.herder import RebalancePending
from tidelock.connect.distributed.peers import PeerAnswer
from tidelock.connect.rest import forwarding
from tidelock.connect.rest.forwarding import Forwarding
from tidelock.connect.rest.routing import Doorkeeper, Reply, Request, Route, Router

LEADER, OWNER = "http://leader:8083", "http://owner:8083"
CHANGES = [
    ("POST", "/connectors"),
    ("DELETE", "/connectors/c"),
    ("PUT", "/connectors/c/config"),
    ("PATCH", "/connectors/c/config"),
    ("PUT", "/connectors/c/stop"),
    ("POST", "/connectors/c/restart"),
    ("PATCH", "/connectors/c/offsets"),
    ("DELETE", "/connectors/c/offsets"),
    ("POST", "/connectors/c/tasks"),
]
LOCAL = [
    ("GET", "/connectors"),
    ("GET", "/connectors/c/status"),
    ("PUT", "/connectors/c/pause"),
    ("PUT", "/connectors/c/resume"),
    ("PUT", "/connector-plugins/x/config/validate"),
]


class ModelHerder:
    """Somebody else leads, somebody else runs task 1."""

    def __init__(self, *, is_settled: bool = True, leader: str | None = LEADER) -> None:
        self._is_settled = is_settled
        self._leader = leader

    async def settled(self) -> None:
        if not self._is_settled:
            raise RebalancePending("a rebalance is expected")

    def leader(self) -> str | None:
        return self._leader

    def owner(self, task: TaskId) -> str | None:
        return OWNER if task.task else None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []

    async def ask(*given: Any) -> PeerAnswer:
        found.append(given)
        return PeerAnswer(201, b'{"name":"c"}', "http://leader:8083/connectors/c")

    monkeypatch.setattr(forwarding, "ask", ask)
    return found


async def here(request: Request) -> Reply:
    return Reply(body="here")


def call(
    herder: Any, method: str, path: str, query: str = "", host: str = "localhost"
) -> tuple[int, Any, dict[bytes, bytes]]:
    patterns = ("/connectors", "/connectors/*", "/connectors/*/*", "/connectors/*/*/*/*", "/*/*/*/*")
    inner = Router([Route(method, pattern, here) for pattern in patterns], Doorkeeper(is_loopback=True))
    app = Forwarding(inner, herder, Doorkeeper(is_loopback=True))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"a":"b"}'}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), (b"authorization", b"Basic x")],
        "server": ("localhost", 8083),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"]), dict(sent[0]["headers"])


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_changes_go_to_the_leader_as_they_came(asked: list[tuple[Any, ...]], method: str, path: str) -> None:
    status, body, headers = call(ModelHerder(), method, path)
    assert (status, body) == (201, {"name": "c"})
    assert headers[b"location"] == b"http://leader:8083/connectors/c"
    assert asked == [
        (method, LEADER, f"{path}?forward=true", b'{"a":"b"}', {"authorization": "Basic x"}),
    ]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_the_leader_answers_itself(asked: list[tuple[Any, ...]], method: str, path: str) -> None:
    assert call(ModelHerder(leader=None), method, path)[:2] == (200, "here")
    assert asked == []


@pytest.mark.parametrize(("method", "path"), LOCAL)
def test_whatever_any_worker_knows_is_answered_here_also_in_a_rebalance(
    asked: list[tuple[Any, ...]], method: str, path: str
) -> None:
    assert call(ModelHerder(is_settled=False), method, path)[:2] == (200, "here")
    assert asked == []


def test_a_task_is_restarted_where_it_runs(asked: list[tuple[Any, ...]]) -> None:
    assert call(ModelHerder(), "POST", "/connectors/c/tasks/0/restart")[:2] == (200, "here")
    assert call(ModelHerder(), "POST", "/connectors/c/tasks/1/restart")[0] == 201
    assert asked[0][1] == OWNER


def test_a_request_is_passed_on_twice_at_most(asked: list[tuple[Any, ...]]) -> None:
    call(ModelHerder(), "PUT", "/connectors/c/config", "forward=true&x=%C3%A9")
    assert asked[0][2] == "/connectors/c/config?forward=false&x=%C3%A9"
    assert call(ModelHerder(), "PUT", "/connectors/c/config", "forward=false")[0] == 409


def test_a_rebalance_that_does_not_end_is_a_conflict() -> None:
    status, body, _ = call(ModelHerder(is_settled=False), "POST", "/connectors")
    assert status == 409
    assert body == {"error_code": 409, "message": "a rebalance is expected"}


def test_a_page_from_elsewhere_is_not_passed_on(asked: list[tuple[Any, ...]]) -> None:
    assert call(ModelHerder(), "POST", "/connectors", host="evil.example")[0] == 421
    assert asked == []
