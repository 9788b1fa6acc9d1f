"""Circuit breaker over a sliding window of the last calls, or of the last seconds. No IO, no clock.

Names and behaviour are Resilience4j's CircuitBreaker: CLOSED, OPEN, HALF_OPEN, and the fixed states DISABLED,
FORCED_OPEN and METRICS_ONLY. Two defaults differ: 20 calls before a verdict (100 there) and 10 s open (60
there). A logical call is recorded once, whatever its number of attempts: one dead instance is the ejection's
business (`balance`), the breaker judges the service as its callers see it.

Source: Resilience4j `CircuitBreakerConfig`, `CircuitBreakerStateMachine`, `FixedSizeSlidingWindowMetrics`,
`SlidingTimeWindowMetrics`.
"""

from __future__ import annotations

import enum
import sys

from tidelock.config import Settings, key


class State(enum.Enum):
    """The states of a circuit breaker."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"
    DISABLED = "DISABLED"
    FORCED_OPEN = "FORCED_OPEN"
    METRICS_ONLY = "METRICS_ONLY"


class BreakerSettings(Settings):
    """Resilience4j's keys; durations are seconds."""

    failure_rate_threshold: float = key(
        default=50.0, name="failureRateThreshold", at_least=0.1, at_most=100, doc="Opens at this share, in %."
    )
    slow_call_rate_threshold: float = key(
        default=100.0,
        name="slowCallRateThreshold",
        at_least=0.1,
        at_most=100,
        doc="Opens at this share, in %.",
    )
    slow_call_duration_threshold: float = key(
        default=60.0,
        name="slowCallDurationThreshold",
        at_least=0.001,
        doc="Seconds from which a call is slow.",
    )
    sliding_window_type: str = key(
        default="COUNT_BASED",
        name="slidingWindowType",
        choices=("COUNT_BASED", "TIME_BASED"),
        doc="What slidingWindowSize counts: calls, or seconds.",
    )
    sliding_window_size: int = key(
        default=100, name="slidingWindowSize", at_least=1, doc="Calls or seconds that are looked back on."
    )
    minimum_number_of_calls: int = key(
        default=20, name="minimumNumberOfCalls", at_least=1, doc="Calls before the first verdict."
    )
    wait_duration_in_open_state: float = key(
        default=10.0,
        name="waitDurationInOpenState",
        at_least=0.001,
        doc="Seconds before calls may try again.",
    )
    permitted_number_of_calls_in_half_open_state: int = key(
        default=10,
        name="permittedNumberOfCallsInHalfOpenState",
        at_least=1,
        doc="Calls that may try while half open; their failure rate decides.",
    )
    initial_state: str = key(
        default="CLOSED",
        name="initialState",
        choices=("CLOSED", "DISABLED", "FORCED_OPEN", "METRICS_ONLY"),
        doc="The state it begins in; all but CLOSED stay: no breaker, no calls, only the rates.",
    )


FAILED, SLOW, TAKEN = 1, 2, 4


class Window:
    """The outcomes of the last `size` calls with running sums: recording takes constant time."""

    __slots__ = ("failed", "filled", "next", "size", "slots", "slow")

    def __init__(self, size: int) -> None:
        self.size = size
        self.slots = bytearray(size)
        self.next = self.filled = self.failed = self.slow = 0

    def record(self, failed: bool, slow: bool, now: float) -> None:
        """Add one outcome; the oldest falls out when the window is full. When it was does not matter."""
        index = self.next
        old = self.slots[index]
        if old == TAKEN and not failed and not slow:
            self.next = index + 1 if index + 1 < self.size else 0  # a good one for a good one
            return
        if old == TAKEN:
            pass
        elif old:
            self.failed -= old & FAILED
            self.slow -= (old & SLOW) >> 1
        else:
            self.filled += 1
        self.slots[index] = TAKEN | failed | slow << 1
        self.failed += failed
        self.slow += slow
        self.next = index + 1 if index + 1 < self.size else 0


class TimedWindow:
    """The outcomes of the last `seconds` seconds, summed per second: recording takes constant time."""

    __slots__ = ("_at", "_slots", "failed", "filled", "size", "slow")

    def __init__(self, seconds: int) -> None:
        self.size = sys.maxsize  # of calls it may hold any number
        self._slots = [[0, 0, 0] for _ in range(seconds)]
        self._at = 0
        self.filled = self.failed = self.slow = 0

    def record(self, failed: bool, slow: bool, now: float) -> None:
        """Add one outcome.

        Args:
            failed: no answer, or a 5xx.
            slow: it took too long.
            now: monotonic seconds; what is older than the window falls out.
        """
        self._advance(int(now))
        slot = self._slots[self._at % len(self._slots)]
        slot[0] += 1
        slot[1] += failed
        slot[2] += slow
        self.filled += 1
        self.failed += failed
        self.slow += slow

    def _advance(self, second: int) -> None:
        count = len(self._slots)
        for passed in range(max(self._at + 1, second - count + 1), second + 1):
            slot = self._slots[passed % count]
            self.filled -= slot[0]
            self.failed -= slot[1]
            self.slow -= slot[2]
            slot[:] = (0, 0, 0)
        self._at = max(self._at, second)


class CircuitBreaker:
    """One state machine per service and method.

    A caller asks `acquire` before a call and then says exactly one of `record` (an outcome) or `release`
    (the call was given up: cancelled, or nothing to learn from it).
    """

    __slots__ = ("_admitted", "_slow_from", "_window", "settings", "state", "until")

    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self._slow_from = settings.slow_call_duration_threshold
        self.state = State(settings.initial_state)
        self.until = float("inf") if self.state is State.FORCED_OPEN else 0.0
        self._admitted = 0
        self._window = self._closed_window()

    @property
    def failure_rate(self) -> float | None:
        """Failures in the window in %, or None below the minimum number of calls."""
        window = self._window
        needed = min(self.settings.minimum_number_of_calls, window.size)
        return 100.0 * window.failed / window.filled if window.filled >= needed else None

    def acquire(self, now: float) -> bool:
        """Whether a call may go out now; in HALF_OPEN it takes one of the permits. OPEN may become HALF_OPEN.

        Args:
            now: monotonic seconds.
        """
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN and now >= self.until:
            self._enter(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            if self._admitted >= self.settings.permitted_number_of_calls_in_half_open_state:
                return False
            self._admitted += 1
            return True
        return self.state in (State.DISABLED, State.METRICS_ONLY)

    def release(self) -> None:
        """Give a permit back without an outcome."""
        if self.state is State.HALF_OPEN and self._admitted:
            self._admitted -= 1

    def record(self, failed: bool, seconds: float, now: float) -> State | None:
        """Note a finished call.

        Args:
            failed: no answer, or a 5xx.
            seconds: how long it took.
            now: monotonic seconds.

        Returns:
            The state it changed to, or None when it did not change.
        """
        state = self.state
        if state is State.DISABLED or state is State.OPEN or state is State.FORCED_OPEN:
            return None  # an answer to a call from before it opened
        window = self._window
        window.record(failed, seconds >= self._slow_from, now)
        if state is State.METRICS_ONLY:
            return None
        if state is State.CLOSED:
            if not window.failed and not window.slow:
                return None
            needed = min(self.settings.minimum_number_of_calls, window.size)
        else:
            needed = window.size
        if window.filled < needed:
            return None
        if self._too_bad():
            return self._open(now)
        return self._enter(State.CLOSED) if state is State.HALF_OPEN else None

    def _too_bad(self) -> bool:
        window, settings = self._window, self.settings
        share = 100.0 / window.filled
        return (
            window.failed * share >= settings.failure_rate_threshold
            or window.slow * share >= settings.slow_call_rate_threshold
        )

    def _open(self, now: float) -> State:
        self.until = now + self.settings.wait_duration_in_open_state
        return self._enter(State.OPEN)

    def _enter(self, state: State) -> State:
        self.state = state
        self._admitted = 0
        if state is State.HALF_OPEN:
            self._window = Window(self.settings.permitted_number_of_calls_in_half_open_state)
        elif state is not State.OPEN:
            self._window = self._closed_window()
        return state

    def _closed_window(self) -> Window | TimedWindow:
        size = self.settings.sliding_window_size
        return TimedWindow(size) if self.settings.sliding_window_type == "TIME_BASED" else Window(size)
