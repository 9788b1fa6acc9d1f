"""Hedging, played by hand: when a second instance is asked, who pays, whose answer counts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.unit.http.test_flow import GET, POST, service
from tidelock.http.errors import ConnectionBroken
from tidelock.http.exchange import Failure, Reason, Request, Response
from tidelock.http.flow import Effect, Finished, Race, Send, ServiceState, Start, call
from tidelock.http.hedging import HedgeSettings, Latencies
from tidelock.http.policy import Policy
from tidelock.http.retry import RetrySettings

Answer = Callable[[int, float], Response | Failure]

ON = HedgeSettings(enabled=True, delay=0.05)


class Play:
    """Answers races: the n-th attempt takes `takes[n]` seconds; other effects are refused."""

    def __init__(self, *takes: float, answer: Answer | None = None) -> None:
        self.takes = takes
        self.answer = answer or (lambda number, at: Response(200, [], str(number).encode(), at))
        self.now = 100.0
        self.sent: list[tuple[str, float]] = []
        self.running: list[tuple[float, Send, int]] = []

    def __call__(self, state: ServiceState, request: Request = GET) -> Response:
        flow = call(request, state, Start(self.now, self.now + 5.0, random.Random(3).random))
        try:
            effect = next(flow)
            while True:
                effect = flow.send(self.done(effect))
        except StopIteration as done:
            result: Response = done.value
            return result

    def done(self, effect: Effect) -> Finished | Response | Failure | float:
        if isinstance(effect, Send):
            self.begin(effect)
            at, _, number = self.running.pop()
            self.now = at
            return self.answer(number, at)
        assert isinstance(effect, Race)
        if effect.starting is not None:
            self.begin(effect.starting)
        first = min(self.running, key=lambda each: each[0])
        if first[0] > effect.until:
            self.now = effect.until
            return self.now
        self.running.remove(first)
        self.now = first[0]
        return Finished(first[1], self.answer(first[2], self.now))

    def begin(self, send: Send) -> None:
        number = len(self.sent)
        self.sent.append((send.peer.instance.instance_id, round(self.now - 100.0, 6)))
        self.running.append((self.now + self.takes[number], send, number))


def quiet(state: ServiceState) -> bool:
    return all(peer.in_flight == 0 for peer in state.peers)


def test_a_call_that_answers_in_time_is_not_hedged() -> None:
    state, play = service(3, Policy(hedge=ON)), Play(0.04)
    assert play(state).body == b"0"
    assert len(play.sent) == 1
    assert quiet(state)


def test_a_slow_one_is_hedged_elsewhere_and_the_first_answer_counts() -> None:
    state, play = service(3, Policy(hedge=ON)), Play(1.0, 0.01)
    answer = play(state)
    assert answer.body == b"1"
    (first, at), (second, later) = play.sent
    assert (at, later) == (0.0, 0.05)
    assert first != second
    assert answer.instance is not None
    assert answer.instance.instance_id == second
    assert quiet(state)


def test_the_first_may_still_win() -> None:
    state, play = service(3, Policy(hedge=ON)), Play(0.06, 1.0)
    assert play(state).body == b"0"
    assert quiet(state)


def test_a_bad_answer_does_not_win_while_the_other_is_under_way() -> None:
    def answer(number: int, at: float) -> Response | Failure:
        if number == 1:
            return Failure(Reason.BROKEN, "for the test", True, at)
        return Response(200, [], b"first", at)

    state, play = service(3, Policy(hedge=ON)), Play(0.3, 0.01, answer=answer)
    assert play(state).body == b"first"
    assert [peer.failures for peer in state.peers].count(1) == 1
    assert quiet(state)


def test_when_both_fail_the_retry_goes_to_a_third() -> None:
    def answer(number: int, at: float) -> Response | Failure:
        if number < 2:
            return Failure(Reason.REFUSED, "for the test", False, at)
        return Response(200, [], b"third", at)

    state, play = service(3, Policy(hedge=ON)), Play(0.3, 0.01, 0.01, answer=answer)
    assert play(state).body == b"third"
    assert len({name for name, _ in play.sent}) == 3
    assert quiet(state)


@pytest.mark.parametrize("count", [1, 3])
def test_without_another_instance_or_budget_the_first_is_waited_for(count: int) -> None:
    retry = RetrySettings(budget_ratio=0.0, budget_floor=0.0) if count == 3 else RetrySettings()
    state, play = service(count, Policy(hedge=ON, retry=retry)), Play(0.5)
    assert play(state).body == b"0"
    assert len(play.sent) == 1
    assert quiet(state)


def test_what_may_not_be_repeated_is_not_hedged() -> None:
    state, play = service(3, Policy(hedge=ON)), Play(0.5)
    assert play(state, POST).body == b"0"
    assert len(play.sent) == 1


def test_a_call_given_up_in_the_middle_of_a_race_leaves_nothing_behind() -> None:
    state, play = service(3, Policy(hedge=ON)), Play(1.0, 1.0)
    flow = call(GET, state, Start(100.0, 105.0, random.Random(3).random))
    waited = flow.send(play.done(next(flow)))
    assert isinstance(waited, Race)
    assert waited.starting is not None
    assert sum(peer.in_flight for peer in state.peers) == 2
    flow.close()
    assert quiet(state)


def test_a_failure_of_both_is_the_calls_failure() -> None:
    retry = RetrySettings(max_attempts=1)
    state = service(2, Policy(hedge=ON, retry=retry))
    play = Play(0.3, 0.1, answer=lambda _, at: Failure(Reason.BROKEN, "for the test", True, at))
    with pytest.raises(ConnectionBroken):
        play(state)
    assert quiet(state)


def test_the_percentile_decides_when_no_delay_is_given() -> None:
    settings, latencies = HedgeSettings(enabled=True), Latencies()
    for number in range(19):
        latencies.add(number / 1000)
    assert latencies.delay(settings) is None
    for number in range(19, 400):
        latencies.add((number % 100) / 1000)
    delay = latencies.delay(settings)
    assert delay is not None
    assert 0.09 <= delay <= 0.099
    assert latencies.delay(HedgeSettings()) is None
    assert latencies.delay(ON) == 0.05
