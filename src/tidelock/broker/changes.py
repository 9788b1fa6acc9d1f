"""Changes of topics and configs, one after the other, each in steps: the loop serves others in between.

A change is a generator. It decides, yields a `Job` that another thread runs (a sync of the metadata log),
goes on when that is done, applies what is durable now, and returns the answer; `Pause` only gives the others
a turn. The next change begins when the one before has ended, so it decides on what really holds:

    begin() -> Job       the first of the change at hand, for the shell to run in a thread
    end(job)             it has run: the change goes on, to its next job or to its end
    settle()             finish the change at hand here and now, for the few who cannot wait in steps

No IO, no thread of its own. Imports nothing of the house.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


class Job(Protocol):
    """A part of a change that may run in another thread, and keeps its own outcome."""

    def run(self) -> None:
        """Do it; what the disk refuses is kept, not raised."""

    def fail(self, error: Exception) -> None:
        """`run` ended by what it does not know: the job has failed."""


Steps: TypeAlias = Generator[Job, None, T]


class Pause:
    """A job with nothing to do."""

    def run(self) -> None:
        """Do nothing."""

    def fail(self, error: Exception) -> None:
        """Nothing can have failed."""


def at_once(steps: Steps[T]) -> T:
    """Run a change here and now, at a start for example, when there is nobody else to serve."""
    while True:
        try:
            job = next(steps)
        except StopIteration as end:
            answer: T = end.value
            return answer
        job.run()


def in_order(changes: Iterable[Steps[T]]) -> Steps[list[T]]:
    """One change after the other as one; returns their answers."""
    answers: list[T] = []
    for one in changes:
        answers += [(yield from one)]
    return answers


class Change:
    """One change and who is told of its end.

    Args:
        steps: the change.
        finish: takes its answer; None when it broke off.
    """

    def __init__(self, steps: Steps[Any], finish: Callable[[Any], None]) -> None:
        self.steps = steps
        self.finish = finish


class Changes:
    """The change at hand and those that wait for their turn.

    Attributes:
        wait_for: blocks until a job that was handed out has run; the shell sets it when it has threads.
    """

    def __init__(self) -> None:
        self.wait_for: Callable[[Job], None] = lambda job: job.run()
        self._waiting: deque[Change] = deque()
        self._current: Change | None = None
        self._job: Job | None = None
        self._is_out = False
        self._is_deciding = False

    def add(self, steps: Steps[Any], finish: Callable[[Any], None]) -> None:
        """Take in a change; if nothing is before it, it begins, and may end, at once."""
        self._waiting.append(Change(steps, finish))
        self._go_on()

    def begin(self) -> Job | None:
        """Hand out the job that is due; None when there is none, or one is out."""
        if self._job is None or self._is_out:
            return None
        self._is_out = True
        return self._job

    def end(self, job: Job) -> None:
        """A job has run: go on. One that `settle` was faster with changes nothing."""
        if job is self._job:
            self._job, self._is_out = None, False
            self._go_on()

    def settle(self) -> None:
        """Finish the change at hand, waiting for its jobs; those behind it go on waiting."""
        if self._is_deciding:  # it is this change that asks, between two of its jobs
            return
        change = self._current
        while self._job is not None and self._current is change:
            job = self._job
            (self.wait_for if self._is_out else _run)(job)
            self.end(job)

    def _go_on(self) -> None:
        """Go on until a job is due or nothing is left."""
        while self._job is None and not self._is_deciding:
            if self._current is None:
                if not self._waiting:
                    return
                self._current = self._waiting.popleft()
            self._advance(self._current)

    def _advance(self, change: Change) -> None:
        self._is_deciding = True
        try:
            self._job = next(change.steps)
        except StopIteration as end:
            self._current = None
            change.finish(end.value)
        except Exception:
            self._current = None
            change.finish(None)
            raise
        finally:
            self._is_deciding = False


def _run(job: Job) -> None:
    job.run()
