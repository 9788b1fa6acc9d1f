import logging
from collections.abc import Iterator

import pytest

from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.loggers import LEVELS, Loggers, UnknownLogger, level_of, name_of_level
from tidelock.runtime import ManualClock

NAME = "tests.loggers"


@pytest.fixture
def loggers() -> Iterator[Loggers]:
    yield Loggers(ManualClock(wall=1000.0))
    for one in ("one", "one.a", "two", "two.b"):
        logging.getLogger(f"{NAME}.{one}").setLevel(logging.NOTSET)


def test_a_level_holds_for_everything_beneath_and_only_changes_are_told(loggers: Loggers) -> None:
    one = f"{NAME}.one"
    assert logging.getLogger(f"{one}.a") is not logging.getLogger(f"{one}x")
    assert loggers.set(one, logging.DEBUG) == [one, f"{one}.a"]
    assert loggers.set(one, logging.DEBUG) == []
    assert loggers.one(f"{one}.a") == {"level": "DEBUG", "last_modified": 1_000_000}
    assert not logging.getLogger(f"{one}x").isEnabledFor(logging.DEBUG)


def test_tasks_that_start_later_get_every_level_in_the_order_it_was_set(loggers: Loggers) -> None:
    two = f"{NAME}.two"
    loggers.set(f"{two}.b", logging.DEBUG)
    loggers.set(two, logging.ERROR)
    loggers.set(f"{two}.b", logging.INFO)
    assert list(loggers.chosen.items()) == [(two, logging.ERROR), (f"{two}.b", logging.INFO)]


def test_an_unknown_logger_is_not_made_by_asking(loggers: Loggers) -> None:
    for _ in range(2):
        with pytest.raises(UnknownLogger):
            loggers.one(f"{NAME}.nowhere")


def test_levels_have_kafkas_names() -> None:
    assert [name_of_level(level_of(name.lower())) for name in LEVELS] == list(LEVELS)
    assert name_of_level(logging.INFO + 5) == "INFO"
    assert name_of_level(0) == "TRACE"
    with pytest.raises(UnknownLogger, match="LOUD"):
        level_of("LOUD")
    with pytest.raises(InvalidConfig):
        level_of(None)
