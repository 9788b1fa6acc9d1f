"""What went wrong with one record, where, and the headers that say so on its way to a dead letter queue.

Pure. Imports the api.

Source: Kafka `org.apache.kafka.connect.runtime.errors.{Stage, ProcessingContext, DeadLetterQueueReporter}`.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tidelock.connect.api import DataError, RetriableError, TopicPartition
from tidelock.connect.runtime.message import Message
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

T = TypeVar("T")
PREFIX = "__connect.errors."
FIRST_RETRY, RETRY_FACTOR = 0.3, 2.0
RECORD_FAULTS = ("DataError", "IntegrityError")


class Stage(enum.Enum):
    """The steps of a record's way."""

    TASK_PUT = enum.auto()
    TRANSFORMATION = enum.auto()
    KEY_CONVERTER = enum.auto()
    VALUE_CONVERTER = enum.auto()
    HEADER_CONVERTER = enum.auto()


DONE = {Stage.TASK_PUT: "written", Stage.TRANSFORMATION: "transformed"}  # else converted


class RecordFailed(Exception):
    """One record of several cannot go on; caught where the tolerance is decided.

    Args:
        stage: where.
        plugin: class name of the converter, transform or task.
        error: what it raised.
        index: which record.
    """

    def __init__(self, stage: Stage, plugin: str, error: Exception, index: int = 0) -> None:
        super().__init__(str(error))
        self.stage, self.plugin, self.error, self.index = stage, plugin, error, index

    @property
    def what(self) -> str:
        """One line for the user."""
        return f"a record cannot be {DONE.get(self.stage, 'converted')}: {text_of(self.error)}"

    @property
    def hint(self) -> str:
        """What to do, where nothing better is known."""
        given = self.error.hint if isinstance(self.error, TidelockError) else None
        return given or "errors.tolerance=all leaves such records out"


@dataclass(slots=True)
class Skipped:
    """A record that was left out.

    Attributes:
        message: the record as it was read; None where nobody keeps it.
    """

    partition: TopicPartition
    offset: int
    failed: RecordFailed
    message: Message | None = None


def text_of(error: BaseException) -> str:
    """Return an error's one line."""
    return error.what if isinstance(error, TidelockError) else f"{type(error).__name__}: {error}"


def context_headers(skipped: Skipped, connector: str, task: int) -> list[tuple[str, bytes]]:
    """Return the headers that tell a dead letter's story, in Kafka's names."""
    failed = skipped.failed
    kind = type(failed.error)
    found = {
        "topic": skipped.partition.topic,
        "partition": str(skipped.partition.partition),
        "offset": str(skipped.offset),
        "connector.name": connector,
        "task.id": str(task),
        "stage": failed.stage.name,
        "class.name": failed.plugin,
        "exception.class.name": f"{kind.__module__}.{kind.__qualname__}",
        "exception.message": text_of(failed.error),
        "exception.stacktrace": "".join(traceback.format_exception(failed.error)),
    }
    return [(PREFIX + name, value.encode()) for name, value in found.items()]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries again what raised RetriableError, for a while (errors.retry.timeout).

    Args:
        timeout: seconds; 0 never tries again, below 0 for ever.
        delay_max: longest pause in seconds.
        wait: sleeps; told the seconds.
        is_stopping: whether to give up.
        clock: monotonic time.
    """

    timeout: float
    delay_max: float
    wait: Callable[[float], None]
    is_stopping: Callable[[], bool]
    clock: Clock

    def run(self, operation: Callable[[], T]) -> T:
        """Return what the operation returns.

        Raises:
            RetriableError: the time is over.
        """
        deadline = self.clock.monotonic() + self.timeout
        delay = FIRST_RETRY
        while True:
            try:
                return operation()
            except RetriableError:
                left = deadline - self.clock.monotonic()
                if self.is_stopping() or (self.timeout >= 0 and left <= 0):
                    raise
                pause = min(delay, self.delay_max)
                self.wait(pause if self.timeout < 0 else min(pause, left))
                delay *= RETRY_FACTOR


def is_of_the_record(error: BaseException) -> bool:
    """Whether an error of `put` says that a record is to blame, and not the target or the way to it.

    That is a DataError of ours, or what the database API (PEP 249) calls IntegrityError or DataError, of any
    driver, also as the cause of what the task made of it.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, RetriableError):
            return False
        if any(kind.__name__ in RECORD_FAULTS for kind in type(found).__mro__):
            return True
        found = getattr(found, "orig", None) or found.__cause__  # SQLAlchemy has the driver's error in orig
    return False


def failure_of(stage: Stage, plugin: str, error: Exception) -> RecordFailed:
    """Return the failure of one record, or of the one that a DataError names."""
    index = error.index if isinstance(error, DataError) and error.index is not None else 0
    return RecordFailed(stage, plugin, error, index)
