"""What a process has called since it last said so, for the registry's page. No IO, no clock.

Calls are counted per service and method. May import `events` and the registry's form of a report. Invariants:
a report is one that the registry takes, whatever was called: names are cut, and beyond `METHODS` of them a
service's calls are counted together; times are those of the last `TIMES` calls of a method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidelock.discovery.calls import CALLS, NAME_LENGTH, Line, Report
from tidelock.http.breaker import State
from tidelock.http.events import Called, Ejected

TIMES = 500
METHODS = CALLS - 50
"""Lines with a method; what is left is for services whose methods are counted together."""

BREAKERS = {State.HALF_OPEN: "half_open", State.OPEN: "open", State.FORCED_OPEN: "open"}

Key = tuple[str, str]
"""Service and method."""


@dataclass(slots=True)
class _Count:
    count: int = 0
    errors: int = 0
    times: list[float] = field(default_factory=list)

    def add(self, event: Called) -> None:
        if len(self.times) < TIMES:
            self.times.append(event.seconds)
        else:
            self.times[self.count % TIMES] = event.seconds
        self.count += 1
        self.errors += event.error is not None or (event.status or 0) >= 500

    def at(self, part: float) -> float:
        """Milliseconds that this part of the calls took less than."""
        times = sorted(self.times)
        return times[min(len(times) - 1, int(part * len(times)))] * 1000


class Tally:
    """The calls of one process since its last report.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._counts: dict[Key, _Count] = {}
        self._ejected: dict[Key, float] = {}

    def called(self, event: Called) -> None:
        """Count a call."""
        key = (event.service[:NAME_LENGTH], event.method[:NAME_LENGTH])
        if key not in self._counts and len(self._counts) >= METHODS:
            key = (key[0], "")
            if key not in self._counts and len(self._counts) >= CALLS:
                return
        self._counts.setdefault(key, _Count()).add(event)

    def ejected(self, event: Ejected, now: float) -> None:
        """An instance gets no calls for a while."""
        self._ejected[event.service[:NAME_LENGTH], event.instance.instance_id] = now + event.seconds

    def report(
        self, caller: str, instance_id: str, now: float, breakers: Mapping[Key, State]
    ) -> Report | None:
        """Return what happened since the last report, and begin anew; None if nothing did.

        Args:
            caller: the service that this process is.
            instance_id: the instance that it is.
            now: monotonic seconds.
            breakers: service and group of calls -> state of the breaker.
        """
        states = {
            (service[:NAME_LENGTH], group[:NAME_LENGTH]): state
            for (service, group), state in breakers.items()
            if state in BREAKERS
        }
        self._ejected = {key: until for key, until in self._ejected.items() if until > now}
        counts, self._counts = self._counts, {}
        seconds, self._since = max(now - self._since, 0.001), now
        if not counts:
            return None
        lines = [self._line(key, count, states) for key, count in counts.items()]
        return Report(caller[:NAME_LENGTH], lines, instance_id[:NAME_LENGTH], min(seconds, 3600.0))

    def _line(self, key: Key, count: _Count, states: Mapping[Key, State]) -> Line:
        service, method = key
        state = states.get(key) or states.get(
            (service, method.partition(" ")[0])
        )  # a call by URL's: its verb
        ejected = sum(one == service for one, _ in self._ejected)
        return Line(
            service,
            count.count,
            method,
            count.errors,
            count.at(0.5),
            count.at(0.99),
            "closed" if state is None else BREAKERS[state],
            ejected,
        )
