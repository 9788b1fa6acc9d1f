"""How the demo speaks: acts as text or one JSON object each on stdout, progress on stderr.

On a terminal progress is a bar that redraws itself; elsewhere it is a line every five seconds. With
`-o json` the story goes to stderr and stdout carries nothing but one object per act.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

from tidelock.cli.demo.record import ActResult

BAR_WIDTH = 28
LINE_EVERY = 5.0
REDRAW_EVERY = 0.1
ERASE_LINE = "\r\x1b[2K"


class Narrator:
    """Prints the story as it happens.

    Args:
        as_json: one object per act on `out`, prose on `err`.
        step: wait for Enter before each act.
        monotonic: the clock that paces progress.
        out: where data goes.
        err: where everything else goes.
    """

    def __init__(
        self,
        *,
        as_json: bool,
        step: bool,
        monotonic: Callable[[], float],
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._json = as_json
        self._step = step
        self._now = monotonic
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._bar = self._err.isatty()
        self._drawn_at = -LINE_EVERY
        self._drawn = False

    def say(self, text: str = "") -> None:
        """Print one line of the story."""
        self._clear()
        _write(self._err if self._json else self._out, f"{text}\n")

    def headline(self, act: int, title: str) -> None:
        """Open an act; with `--step` wait for Enter first."""
        if self._step and act > 1:
            self._clear()
            _write(self._err, "Enter for the next act ")
            sys.stdin.readline()
        self.say()
        self.say(f"{act}/5  {title}")
        self._drawn_at = self._now()

    def line(self, act: ActResult, text: str) -> None:
        """Print one line of an act and keep it for the report."""
        act.lines.append(text)
        self.say(f"     {text}")

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show how far something is: often on a terminal, every five seconds elsewhere."""
        now = self._now()
        if now - self._drawn_at < (REDRAW_EVERY if self._bar else LINE_EVERY):
            return
        self._drawn_at = now
        text = f"{what} {done:,} of {total:,}{'  ' + note if note else ''}"
        if not self._bar:
            _write(self._err, f"     {text}\n")
            return
        filled = BAR_WIDTH * min(done, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        _write(self._err, f"{ERASE_LINE}     [{bar}] {text}")
        self._drawn = True

    def note(self, text: str) -> None:
        """Show a passing remark: in place on a terminal, every five seconds elsewhere."""
        now = self._now()
        if now - self._drawn_at < (REDRAW_EVERY if self._bar else LINE_EVERY):
            return
        self._drawn_at = now
        _write(self._err, f"{ERASE_LINE}     {text}" if self._bar else f"     {text}\n")
        self._drawn = self._bar

    def result(self, act: ActResult, extra: dict[str, Any] | None = None) -> None:
        """Close an act: in JSON mode this prints its object."""
        self._clear()
        if self._json:
            document = act.to_dict() | (extra or {})
            _write(self._out, json.dumps(document, default=str, ensure_ascii=False) + "\n")

    def _clear(self) -> None:
        if self._drawn:
            _write(self._err, ERASE_LINE)
            self._drawn = False


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
