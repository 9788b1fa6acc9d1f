"""The call loop, played by hand: every effect it asks for is answered from a script, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from tidelock.discovery.instance import Instance
from tidelock.http.breaker import BreakerSettings, State
from tidelock.http.errors import (
    BadAnswer,
    BulkheadFull,
    CallTimeout,
    CircuitOpen,
    ConnectFailed,
    ConnectionBroken,
    InDoubt,
    NoInstance,
)
from tidelock.http.events import BreakerChanged, Ejected
from tidelock.http.exchange import Failure, Reason, Request, Response
from tidelock.http.flow import Send, ServiceState, Sleep, Start, call
from tidelock.http.policy import BulkheadSettings, Policy

GET = Request("GET", "/orders/1", b"", None, "GET /orders/{id}", "GET /orders/{id}", True)
POST = Request("POST", "/orders", b"", b"{}", "POST /orders", "POST /orders", False)

Answer = Callable[[Send, float], Response | Failure]


def instances(count: int) -> list[Instance]:
    return [
        Instance(app="ORDERS", instance_id=f"i{n}", host="127.0.0.1", ip="127.0.0.1", port=8000 + n)
        for n in range(count)
    ]


def service(count: int = 3, policy: Policy | None = None) -> ServiceState:
    known = instances(count)
    return ServiceState("orders", lambda: known, policy or Policy())


class Play:
    """Drives one flow with a function that answers; each attempt takes 10 ms."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.now = 100.0
        self.sends: list[Send] = []
        self.sleeps: list[float] = []

    def __call__(
        self, request: Request, state: ServiceState, within: float = 5.0, pinned: str | None = None
    ) -> Response:
        flow = call(request, state, Start(self.now, self.now + within, random.Random(3).random, pinned))
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Sleep):
                    self.sleeps.append(effect.seconds)
                    self.now += effect.seconds
                    effect = flow.send(self.now)
                else:
                    self.sends.append(effect)
                    self.now += 0.01
                    effect = flow.send(self.answer(effect, self.now))
        except StopIteration as done:
            result: Response = done.value
            return result


def ok(_: Send, now: float) -> Response:
    return Response(200, [], b"", now)


def status(code: int, *headers: tuple[bytes, bytes]) -> Answer:
    return lambda _, now: Response(code, list(headers), b"", now)


def broken(reason: Reason, sent: bool) -> Answer:
    return lambda _, now: Failure(reason, "for the test", sent, now)


def first(*answers: Answer) -> Answer:
    """One answer after the other; the last one repeats."""
    left = list(answers)
    return lambda send, now: (left.pop(0) if len(left) > 1 else left[0])(send, now)


REFUSED = broken(Reason.REFUSED, False)
BROKEN = broken(Reason.BROKEN, True)


def ids(sends: Sequence[Send]) -> list[str]:
    return [send.peer.instance.instance_id for send in sends]


def test_an_answer_comes_back_with_its_instance() -> None:
    play = Play(ok)
    response = play(GET, service())
    assert response.status == 200
    assert response.instance is not None
    assert [response.instance.instance_id] == ids(play.sends)
    assert play.sleeps == []


def test_a_refused_connection_goes_to_the_next_instance_at_once_whatever_the_method() -> None:
    for request in (GET, POST):
        play = Play(first(REFUSED, REFUSED, ok))
        state = service()
        assert play(request, state).status == 200
        assert len(set(ids(play.sends))) == 3
        assert play.sleeps == []
        ejected = [event for event in state.happened if isinstance(event, Ejected)]
        assert [event.seconds for event in ejected] == [1.0, 1.0]
        assert ejected[0].reason == "connection refused"


def test_a_get_that_broke_is_sent_to_another_instance_after_a_pause() -> None:
    play = Play(first(BROKEN, ok))
    assert play(GET, service()).status == 200
    assert len(set(ids(play.sends))) == 2
    assert [send.attempt for send in play.sends] == [1, 2]
    assert 0 <= play.sleeps[0] <= 0.025


def test_a_post_that_broke_after_sending_is_in_doubt_and_names_its_instance() -> None:
    play = Play(BROKEN)
    with pytest.raises(InDoubt) as caught:
        play(POST, service())
    assert len(play.sends) == 1
    assert caught.value.instance is not None
    assert [caught.value.instance.instance_id] == ids(play.sends)
    assert isinstance(caught.value.__cause__, ConnectionBroken)
    assert "may or may not" in str(caught.value)


def test_a_post_that_provably_never_left_is_repeated() -> None:
    play = Play(first(broken(Reason.BROKEN, False), ok))
    assert play(POST, service()).status == 200
    assert len(play.sends) == 2


def test_attempts_are_limited() -> None:
    play = Play(BROKEN)
    with pytest.raises(ConnectionBroken, match="3 attempts"):
        play(GET, service())
    assert len(play.sends) == 3


def test_a_single_instance_that_refuses_is_tried_again_after_pauses() -> None:
    play = Play(REFUSED)
    with pytest.raises(ConnectFailed) as caught:
        play(POST, service(1))
    assert len(play.sends) == 3
    assert len(play.sleeps) == 2
    assert caught.value.instance is not None


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_status_that_another_instance_may_not_give_is_retried(code: int) -> None:
    play = Play(first(status(code), ok))
    assert play(GET, service()).status == 200
    assert len(set(ids(play.sends))) == 2
    assert Play(status(code))(POST, service()).status == code


@pytest.mark.parametrize("code", [400, 404, 409, 429, 500, 501])
def test_other_statuses_are_answers(code: int) -> None:
    play = Play(status(code))
    assert play(GET, service()).status == code
    assert len(play.sends) == 1


def test_retry_after_is_kept_when_there_is_nobody_else_to_ask() -> None:
    busy = status(503, (b"retry-after", b"2"))
    alone = Play(first(busy, ok))
    assert alone(GET, service(1)).status == 200
    assert alone.sleeps == [2.0]
    others = Play(first(busy, ok))
    assert others(GET, service(2)).status == 200
    assert others.sleeps[0] <= 0.025
    hasty = Play(busy)
    assert hasty(GET, service(1), within=1.0).status == 503
    assert hasty.sleeps == []


def test_a_timeout_ends_the_call() -> None:
    late = broken(Reason.TIMEOUT, True)
    with pytest.raises(CallTimeout):
        Play(late)(GET, service())
    with pytest.raises(InDoubt) as caught:
        Play(late)(POST, service())
    assert isinstance(caught.value.__cause__, CallTimeout)
    with pytest.raises(CallTimeout):
        Play(broken(Reason.TIMEOUT, False))(POST, service())


def test_nothing_is_sent_after_the_deadline() -> None:
    play = Play(ok)
    state = service()
    with pytest.raises(CallTimeout, match="before anything was sent"):
        play(GET, state, within=0.0)
    assert play.sends == []
    assert state.breaker(GET.group).failure_rate is None


def test_garbage_is_not_asked_for_again() -> None:
    play = Play(broken(Reason.GARBAGE, True))
    with pytest.raises(BadAnswer):
        play(GET, service())
    assert len(play.sends) == 1
    with pytest.raises(InDoubt):
        play(POST, service())


def test_the_budget_ends_retries_but_not_looking_for_who_listens() -> None:
    state = service()
    play = Play(BROKEN)
    for _ in range(60):
        state.breakers.clear()
        with pytest.raises(ConnectionBroken):
            play(GET, state)
    assert len(play.sends) < 60 * 1.2 + 20
    play.answer = first(REFUSED, ok)
    assert play(GET, state).status == 200


def test_nobody_registered() -> None:
    with pytest.raises(NoInstance, match="no instance of 'orders' is up") as caught:
        Play(ok)(GET, service(0))
    assert caught.value.service_id == "orders"


def test_a_pinned_call_reaches_only_its_instance_even_when_that_is_ejected() -> None:
    state = service()
    state.peers.update(state.instances())
    peer = state.peers.get("i1")
    assert peer is not None
    state.peers.failed(peer, True, 100.0)
    play = Play(first(REFUSED, ok))
    assert play(GET, state, pinned="i1").status == 200
    assert ids(play.sends) == ["i1", "i1"]
    with pytest.raises(NoInstance, match="'gone'"):
        play(GET, state, pinned="gone")


def test_the_breaker_judges_calls_not_attempts() -> None:
    policy = Policy(breaker=BreakerSettings(minimum_number_of_calls=4, sliding_window_size=4))
    state = service(3, policy)
    for _ in range(8):
        Play(first(BROKEN, ok))(GET, state)  # an instance fails, the call does not
    assert state.breaker(GET.group).state is State.CLOSED
    for _ in range(2):  # half of the last four
        Play(status(500))(GET, state)
    assert BreakerChanged("orders", GET.group, State.OPEN) in state.happened
    play = Play(ok)
    play.now = 100.01
    with pytest.raises(CircuitOpen, match=r"another 10\.0 s") as caught:
        play(GET, state)
    assert caught.value.until == pytest.approx(110.01)
    assert Play(ok)(POST, state).status == 200  # another group
    later = Play(ok)
    later.now = 111.0
    assert later(GET, state).status == 200
    assert state.happened[-1] == BreakerChanged("orders", GET.group, State.HALF_OPEN)


def test_a_call_given_up_releases_its_instance_and_its_permit() -> None:
    policy = Policy(
        breaker=BreakerSettings(
            minimum_number_of_calls=2,
            sliding_window_size=2,
            permitted_number_of_calls_in_half_open_state=1,
        )
    )
    state = service(1, policy)
    for _ in range(2):
        Play(status(500))(GET, state)
    flow = call(GET, state, Start(120.0, 125.0, random.Random(1).random))
    effect = next(flow)
    assert isinstance(effect, Send)
    assert effect.peer.in_flight == 1
    flow.close()
    assert effect.peer.in_flight == 0
    again = Play(ok)
    again.now = 121.0
    assert again(GET, state).status == 200


def test_the_list_of_instances_is_read_before_every_attempt() -> None:
    known = instances(1)
    state = ServiceState("orders", lambda: list(known), Policy())

    def replaced(send: Send, now: float) -> Failure:
        known[:] = instances(2)[1:]
        return Failure(Reason.REFUSED, "for the test", False, now)

    play = Play(first(replaced, ok))
    assert play(POST, state).status == 200
    assert ids(play.sends) == ["i0", "i1"]


def test_the_breaker_neither_refuses_pinned_calls_nor_learns_from_them() -> None:
    state = service()
    play = Play(REFUSED)
    for _ in range(60):
        with pytest.raises(ConnectFailed):
            play(POST, state, pinned="i1")
    assert state.breakers == {}
    play.answer = ok
    assert play(POST, state).status == 200
    assert play(POST, state, pinned="i1").status == 200


def test_a_full_bulkhead_refuses_the_next_call_until_one_is_over() -> None:
    state = service(policy=Policy(bulkhead=BulkheadSettings(max_concurrent_calls=2)))
    begin = Start(0.0, 5.0, random.Random(3).random)
    running = [call(GET, state, begin) for _ in range(2)]
    sends = [next(flow) for flow in running]
    with pytest.raises(BulkheadFull, match="2 calls are under way"):
        next(call(GET, state, begin))
    assert state.breaker(GET.group).failure_rate is None  # a call refused here says nothing about the service
    assert isinstance(sends[0], Send)
    with pytest.raises(StopIteration):
        running[0].send(Response(200, [], b"", 0.1))
    third = call(GET, state, begin)
    assert isinstance(next(third), Send)
    for flow in (running[1], third):
        flow.close()  # given up
    assert state.in_flight == 0


def test_the_hint_of_a_request_is_read_from_its_header() -> None:
    hinted = msgspec.structs.replace(GET, head=b"accept: */*\r\nx-sc-lb-hint: canary\r\n")
    assert (GET.hint, hinted.hint) == (None, "canary")
    first = msgspec.structs.replace(GET, head=b"x-sc-lb-hint: blue\r\naccept: */*\r\n")
    quoted = msgspec.structs.replace(GET, head=b"x-note: see x-sc-lb-hint: canary\r\n")
    assert (first.hint, quoted.hint) == ("blue", None)
