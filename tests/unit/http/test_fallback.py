"""Which errors a fallback answers, and which implementations are refused."""

from __future__ import annotations

import pytest

from tests.unit.http.shop import Order, Orders
from tidelock import http
from tidelock.errors import UsageError
from tidelock.http.errors import CallError
from tidelock.http.fallback import Fallback


class Cached(Orders):
    async def get(self, id: int) -> Order | None:
        return Order(id, "cached")


class Plain(Orders):
    def get(self, id: int) -> Order | None:  # type: ignore[override]  # blocking fallbacks are plain functions
        return Order(id, "plain")


UNANSWERED: list[CallError] = [
    http.NoInstance("order-service"),
    http.CircuitOpen(1.0, service="order-service", method="GET /", remaining=1.0),
    http.ConnectFailed("x"),
    http.CallTimeout("x"),
    http.ConnectionBroken("x"),
    http.BadAnswer("x"),
    http.StatusError(503, b""),
]
ANSWERED: list[CallError] = [http.StatusError(404, b""), http.DecodeFailed("x"), http.InDoubt("x")]


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
def test_a_fallback_answers_when_nobody_could(error: CallError) -> None:
    cached = Cached()
    assert Fallback(Orders, False, cached, None).method("get", error) == cached.get
    assert Fallback(Orders, False, cached, None).method("place", error) is None  # not overridden


@pytest.mark.parametrize("error", ANSWERED, ids=lambda error: type(error).__name__)
def test_a_fallback_does_not_hide_an_answer_or_a_doubt_but_a_factory_decides(error: CallError) -> None:
    seen: list[CallError] = []

    def factory(error: CallError) -> Cached | None:
        seen.append(error)
        return Cached() if isinstance(error, http.InDoubt) else None

    assert Fallback(Orders, False, Cached(), None).method("get", error) is None
    found = Fallback(Orders, False, Cached(), factory).method("get", error)
    assert (found is not None) is isinstance(error, http.InDoubt)
    assert seen == [error]


def test_what_is_no_implementation_of_this_flavour_is_refused() -> None:
    with pytest.raises(UsageError, match="is no Orders"):
        Fallback(Orders, False, object(), None)
    with pytest.raises(UsageError, match=r"Plain\.get is not async"):
        Fallback(Orders, False, Plain(), None)
    with pytest.raises(UsageError, match=r"Cached\.get is not a plain function"):
        Fallback(Orders, True, Cached(), None)
    assert Fallback(Orders, True, Plain(), None).method("get", http.NoInstance("s")) is not None
