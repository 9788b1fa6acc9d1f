"""What the operator is told about the disk: once when it begins, then a count."""

from __future__ import annotations

import errno

from tidelock.broker.log.troubles import REPEAT_INTERVAL, Troubles


def test_a_full_disk_is_one_trouble_wherever_it_shows() -> None:
    troubles = Troubles()
    for where in ("a-0", "b-0", "a-0"):
        troubles.note("records are refused", where, OSError(errno.ENOSPC, "No space left on device"))
    (line,) = troubles.due(0.0)
    assert line.startswith("a-0: records are refused: no space is left; free disk space")
    assert troubles.due(0.1) == []


def test_different_troubles_are_told_apart() -> None:
    troubles = Troubles()
    troubles.note("refused", "a-0", OSError(errno.EIO, "Input/output error"))
    troubles.note("refused", "b-0", OSError(errno.EIO, "Input/output error"))
    troubles.note("damaged", "b-0", ValueError("bad bytes"))
    assert troubles.due(0.0) == [
        "a-0: refused: Input/output error",
        "b-0: refused: Input/output error",
        "b-0: damaged: bad bytes",
    ]


def test_what_lasts_is_counted_and_what_ended_is_forgotten() -> None:
    troubles = Troubles()
    full = OSError(errno.ENOSPC, "full")
    troubles.note("refused", "a-0", full)
    assert len(troubles.due(0.0)) == 1
    for _ in range(7):
        troubles.note("refused", "a-0", full)
    (line,) = troubles.due(REPEAT_INTERVAL)
    assert line.endswith("(7 times in 300 s)")
    assert troubles.due(2 * REPEAT_INTERVAL) == []
    troubles.note("refused", "a-0", full)
    assert "times" not in troubles.due(2 * REPEAT_INTERVAL)[0]
