"""How long an event loop's turns take, and of what: its own work, the disk, or other processes.

A turn lasts from the moment the selector has found something until the loop waits again; whoever is served in
it, or arrives meanwhile, waits for the whole of it. `TimedSelector` splits each into

    worked     CPU time of the loop's thread: the program's own part, the same on a busy machine
    queued     ready to run, but the kernel ran others (/proc/thread-self/schedstat; 0 where there is none)
    blocked    neither: in a system call that waited, a disk's sync for example, or for Python's lock
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SCHEDSTAT = "/proc/thread-self/schedstat"
# What reading the clocks at slightly different moments amounts to, and some more; milliseconds.
NOISE_MS = 0.05


class Split(NamedTuple):
    """One turn, or the worst of many, in milliseconds."""

    worked: float
    queued: float
    blocked: float


class TimedSelector(selectors.DefaultSelector):
    """A selector that remembers how long nobody asked it; make it in the loop's own thread."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Split] = []
        self._queued_ns = _queue_clock()
        self._begun: tuple[int, int, int] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as ever; what was between two waits is a turn."""
        if self._begun is not None:
            wall, worked, queued = (now - then for now, then in zip(self._clocks(), self._begun, strict=True))
            blocked = wall - worked - queued
            self.turns.append(Split(worked / 1e6, queued / 1e6, max(0.0, blocked / 1e6)))
        found = super().select(timeout)
        self._begun = self._clocks()
        return found

    def _clocks(self) -> tuple[int, int, int]:
        return time.perf_counter_ns(), time.thread_time_ns(), self._queued_ns()


def _queue_clock() -> Callable[[], int]:
    if not os.path.exists(SCHEDSTAT):
        return int
    descriptor = os.open(SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
    return lambda: int(os.pread(descriptor, 64, 0).split()[1])


def write_turns(path: Path, turns: Sequence[Split]) -> None:
    """Keep what `read_turns` reads."""
    path.write_text(json.dumps(turns))


def read_turns(path: Path) -> list[Split]:
    return [Split(*one) for one in json.loads(path.read_text())]


def in_words(turns: Sequence[Split]) -> str:
    """Percentiles of each part, in one line."""
    parts = []
    for name, values in zip(Split._fields, zip(*turns, strict=True), strict=True):
        ordered = sorted(values)
        at = [ordered[int(len(ordered) * share)] for share in (0.5, 0.99, 0.999)]
        parts.append(f"{name} p50 {at[0]:.2f}, p99 {at[1]:.2f}, p99.9 {at[2]:.2f}, max {ordered[-1]:.1f} ms")
    return f"{len(turns)} turns: " + "; ".join(parts)
