"""Timing one call, and the table that benchmarks print."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Sequence

ROUNDS = 5
ROUND_SECONDS = 0.05


def microseconds(call: Callable[[], object]) -> float:
    """Return the best of five rounds, in microseconds of CPU per call."""
    timer = timeit.Timer(call, timer=time.process_time)  # others may share the machine
    number = 1
    while (taken := timer.timeit(number)) < ROUND_SECONDS / 5:
        number *= 4
    number = max(1, int(number * ROUND_SECONDS / max(taken, 1e-9)))
    return min(timer.repeat(ROUNDS, number)) / number * 1e6


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join((first, *rest)).rstrip())


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table for a page."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
