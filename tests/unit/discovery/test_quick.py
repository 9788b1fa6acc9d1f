"""What is answered from its bytes is answered as by the book; everything else is left to the book."""

from __future__ import annotations

import pytest

from tests.unit.discovery.asking import by_the_book, taken_apart
from tests.unit.discovery.making import an_instance
from tidelock.discovery import quick
from tidelock.discovery.app import RegistryApp
from tidelock.discovery.push import moment
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import ManualClock

HOST = b"host: localhost:8761\r\n"
BEAT = b"PUT /eureka/apps/orders/i1?status=UP&lastDirtyTimestamp=5"


def an_app(clock: ManualClock | None = None, **changes: object) -> RegistryApp:
    clock = clock or ManualClock()
    app = RegistryApp(RegistrySettings(**changes), clock, is_loopback=True)  # type: ignore[arg-type]
    one = an_instance(instance_id="i1", last_dirty_timestamp=5, vip="orders")
    app.registry.register(one, moment(clock))
    return app


def request(target: bytes, headers: bytes = HOST) -> bytes:
    return target + b" HTTP/1.1\r\n" + headers + b"\r\n"


QUICK = [
    request(BEAT),
    request(b"PUT /v2/apps/ORDERS/i1"),
    request(b"PUT /eureka/apps/orders/i1?lastDirtyTimestamp=4"),
    request(b"PUT /eureka/apps/orders/i1?lastDirtyTimestamp=6"),
    request(b"PUT /eureka/apps/orders/i1?lastDirtyTimestamp=x"),
    request(b"PUT /eureka/apps/orders/nobody"),
    request(BEAT, HOST + b"x-netflix-discovery-replication: true\r\n"),
    request(
        b"PUT /eureka/apps/orders/i1?lastDirtyTimestamp=4", HOST + b"X-Netflix-Discovery-Replication:true\r\n"
    ),
    request(BEAT + b"&watcher=w"),
    request(BEAT, HOST + b"Content-Length: 0\r\nConnection: Keep-Alive\r\n"),
    *(
        request(b"GET /eureka/" + path, HOST + headers)
        for path in (
            b"apps",
            b"apps/",
            b"apps/delta",
            b"apps/Orders",
            b"apps/none",
            b"apps/orders/i1",
            b"vips/orders",
        )
        for headers in (
            b"",
            b"Accept: application/json\r\n",
            b"accept: application/json \r\naccept-encoding:  gzip, br\r\nx-eureka-accept:compact\r\n",
        )
    ),
    request(b"GET /eureka/v2/instances/%691"),
    request(b"GET /eureka/svips/none?x=%zz&x=2&=&y"),
]


@pytest.mark.parametrize("data", QUICK)
def test_an_answer_is_the_one_of_the_book(data: bytes) -> None:
    app = an_app()
    answer = app.quick(data, moment(ManualClock()))
    assert answer is not None
    status, headers, body = by_the_book(an_app(), data)
    assert (*taken_apart(answer[0]), answer[1]) == (status, headers, body)
    assert b"content-length: %d\r\n" % len(body) in answer[0]


NOT_QUICK = [
    request(b"POST /eureka/apps/orders"),
    request(b"DELETE /eureka/apps/orders/i1"),
    request(b"HEAD /eureka/apps"),
    request(b"GET /"),
    request(b"GET /apps"),
    request(b"GET /eureka/"),
    request(b"GET /eureka/watch"),
    request(b"GET /eureka/status"),
    request(b"GET /eureka/apps/delta?wait=5"),
    request(b"GET /eureka/apps/delta?since=a:1"),
    request(b"PUT /eureka/apps/orders/i1/status?value=DOWN"),
    request(b"PUT /eureka/apps/orders"),
    request(b"GET http://localhost/eureka/apps"),
    request(b"GET /eureka/apps#x"),
    request(b"GET  /eureka/apps"),
    request(b"get /eureka/apps"),
    request(BEAT, b""),
    request(BEAT, HOST + HOST),
    request(BEAT, b"host : localhost\r\n"),
    request(BEAT, HOST + b" folded\r\n"),
    request(BEAT, HOST + b"a: \xff\r\n"),
    request(BEAT, HOST + b"a: \x00\r\n"),
    request(BEAT, HOST + b"no colon\r\n"),
    request(BEAT, HOST + b"connection: close\r\n"),
    request(BEAT, HOST + b"expect: 100-continue\r\n"),
    request(BEAT, HOST + b"content-length: 1\r\n"),
    request(BEAT, HOST + b"content-length: 00\r\n"),
    request(BEAT, HOST + b"content-length: 0\r\ncontent-length: 0\r\n"),
    request(BEAT, HOST + b"transfer-encoding: chunked\r\n"),
    request(BEAT, HOST + b"connection: upgrade\r\nupgrade: h2c\r\n"),
    request(BEAT, HOST + b"accept: a\r\naccept: b\r\n"),
    request(BEAT, b"host: evil.example\r\n"),
    request(BEAT, HOST + b"origin: http://evil.example\r\n"),
    request(BEAT, HOST + b"a: " + b"x" * quick.LIMIT + b"\r\n"),
    request(BEAT) + b"x",
    request(BEAT) + request(BEAT),
    request(BEAT)[:-1],
    request(BEAT)[:-2],
    request(BEAT).replace(b"\r\n", b"\n"),
    request(BEAT).replace(b"1.1", b"1.0"),
    b"",
    b"\r\n",
]


@pytest.mark.parametrize("data", NOT_QUICK)
def test_what_is_not_plainly_one_of_these_requests_is_left_to_the_book(data: bytes) -> None:
    app = an_app()
    for _ in range(2):  # also when the bytes are known
        assert app.quick(data, moment(ManualClock())) is None


def test_a_heartbeat_renews_and_its_answer_has_the_date() -> None:
    clock = ManualClock()
    app = an_app(clock)
    clock.advance(7.5)
    heads = [app.quick(request(BEAT), moment(clock))]
    assert next(app.registry.leases()).renewed == 7.5
    clock.advance(0.4)
    heads.append(app.quick(request(BEAT), moment(clock)))
    clock.advance(0.2)
    heads.append(app.quick(request(BEAT), moment(clock)))
    dates = [head[0].split(b"\r\n")[1] for head in heads if head]
    assert dates == [b"date: Tue, 14 Nov 2023 22:13:27 GMT"] * 2 + [b"date: Tue, 14 Nov 2023 22:13:28 GMT"]


def test_with_peers_a_heartbeat_is_passed_on() -> None:
    app = an_app(peers=("http://127.0.0.1:1/eureka/",))
    assert app.quick(request(BEAT), moment(ManualClock()))
    (peer,) = app.peers.all
    assert len(peer._queue) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "LINES", 3)
    monkeypatch.setattr(quick, "HEADS", 3)
    app = an_app()
    for number in range(10):
        text = b"%d" % number
        assert app.quick(request(b"GET /eureka/apps/" + text), moment(ManualClock()))
        assert app.quick(request(BEAT, HOST + b"a: " + text + b"\r\n"), moment(ManualClock()))
        assert app.quick(request(BEAT + b"&n=" + text, HOST + b"bad\r\n"), moment(ManualClock())) is None
        assert max(len(app.quick._lines), len(app.quick._heads), len(app.quick._said)) <= 3
