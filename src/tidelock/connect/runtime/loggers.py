"""Log levels that can be changed while the worker runs, in Kafka's words.

A level is set for a name and everything beneath it, in this process; the herder passes it on to the tasks.
Names are Python's (`tidelock.connect.runtime.sink_task`); one that nothing logs under may be set before
something does.

Source: Kafka `org.apache.kafka.connect.runtime.{Loggers, rest.resources.LoggingResource}`, KIP-495, KIP-976.
"""

from __future__ import annotations

import logging
from typing import Any

from tidelock.connect.runtime.errors import InvalidConfig, UnknownConnector
from tidelock.runtime import Clock

ROOT = "root"
LEVELS = {
    "OFF": logging.CRITICAL + 10,
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": logging.DEBUG - 5,
}


class UnknownLogger(UnknownConnector):
    """There is no such logger or level: 404."""

    code = "TID-532"


def level_of(given: Any) -> int:
    """Return Python's number of a level's name, in any case.

    Raises:
        InvalidConfig: there is none.
        UnknownLogger: it is no level (404, as in Kafka).
    """
    if given is None:
        raise InvalidConfig("Desired 'level' parameter was not specified in request.")
    found = LEVELS.get(str(given).upper())
    if found is None:
        raise UnknownLogger(f"invalid log level '{given}'.")
    return found


def name_of_level(number: int) -> str:
    """Return Kafka's name of a level, the nearest below for numbers that have none."""
    return next((name for name, least in LEVELS.items() if number >= least), "TRACE")


def apply_level(name: str, level: int) -> list[str]:
    """Set the level of a logger and of everything beneath it; returns the names that changed."""
    known = _known()
    if name != ROOT:
        known.setdefault(name, logging.getLogger(name))
    beneath = {
        one: logger for one, logger in known.items() if name in (ROOT, one) or one.startswith(f"{name}.")
    }
    changed = [one for one, logger in beneath.items() if logger.getEffectiveLevel() != level]
    for logger in beneath.values():
        logger.setLevel(level)
    return sorted(changed)


def _known() -> dict[str, logging.Logger]:
    made = logging.root.manager.loggerDict
    return {ROOT: logging.root} | {name: one for name, one in made.items() if isinstance(one, logging.Logger)}


class Loggers:
    """The levels of this process, and what was asked for.

    Args:
        clock: says when a level was changed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._modified: dict[str, int] = {}
        self.chosen: dict[str, int] = {}
        """What was set, in that order: for tasks that start later."""

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return every logger with its level and when that was last changed (ms since 1970, or None)."""
        return {name: self._one(name, logger) for name, logger in sorted(_known().items())}

    def one(self, name: str) -> dict[str, Any]:
        """Return one logger; UnknownLogger when nothing logs under that name."""
        logger = _known().get(name)
        if logger is None:
            raise UnknownLogger(f"Logger {name} not found.")
        return self._one(name, logger)

    def set(self, name: str, level: int) -> list[str]:
        """Set a level; returns the names of the loggers that changed."""
        changed = apply_level(name, level)
        now = int(self._clock.wall() * 1000)
        self._modified.update(dict.fromkeys(changed, now))
        self.chosen.pop(name, None)
        self.chosen[name] = level
        return changed

    def _one(self, name: str, logger: logging.Logger) -> dict[str, Any]:
        level = name_of_level(logger.getEffectiveLevel())
        return {"level": level, "last_modified": self._modified.get(name)}
