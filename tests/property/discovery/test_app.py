"""Whatever is asked, the registry answers below 500."""

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.discovery.making import an_instance
from tidelock.discovery.app import RegistryApp
from tidelock.discovery.codec import json
from tidelock.discovery.codec.batch import Kind, Task, write_tasks
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import ManualClock

WORDS = [
    "apps",
    "delta",
    "orders",
    "i1",
    "status",
    "metadata",
    "instances",
    "vips",
    "svips",
    "serverinfo",
    "statusoverrides",
    "peerreplication",
    "batch",
    "watch",
    "ack",
    "suspect",
    "calls",
    "health",
    "lastn",
    "eureka",
    "v2",
]
NAMES = [
    "value",
    "lastDirtyTimestamp",
    "since",
    "wait",
    "apps",
    "watcher",
    "instance",
    "at",
    "app",
    "id",
    "data",
]
VALUES = ["UP", "OUT_OF_SERVICE", "0", "-1", "x:1", "orders", "i1", "nan", "none"]
BODIES = [
    json.write_instance(an_instance("orders", "i1")),
    write_tasks([Task.of(kind, an_instance("orders", "i1")) for kind in Kind]),
    b'{"caller":"a","calls":[{"callee":"b","count":1}]}',
]
Ask = tuple[str, list[str], list[tuple[str, str]], bytes, str]

asks = st.tuples(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
    st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=3), st.sampled_from(VALUES) | st.text(max_size=5)
        ),
        max_size=3,
    ),
    st.sampled_from(BODIES) | st.binary(max_size=60),
    st.sampled_from(["application/json", "application/xml", "text/plain", ""]),
)


async def answer(app: RegistryApp, ask: Ask) -> int:
    method, segments, query, body, kind = ask
    path = "/" + "/".join(quote(one, safe="") for one in segments)
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, object]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(
            [(name, "0" if name == "wait" else value) for name, value in query]
        ).encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", kind.encode()), (b"accept", kind.encode())],
    }
    await app(scope, receive, send)
    assert sent[-1].get("more_body", False) is False
    return int(sent[0]["status"])


@settings(max_examples=400)
@given(history=st.lists(asks.map(lambda ask: (ask[0], ["eureka", *ask[1]], *ask[2:])) | asks, max_size=8))
def test_nothing_that_is_asked_ends_in_500(history: list[Ask]) -> None:
    async def whole() -> None:
        peers = ("http://127.0.0.1:9/eureka/",)
        app = RegistryApp(RegistrySettings(peers=peers), ManualClock(), is_loopback=True)
        for ask in history:
            assert await answer(app, ask) < 500
        await app.push.stop()

    asyncio.run(whole())
