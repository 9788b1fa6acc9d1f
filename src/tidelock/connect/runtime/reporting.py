"""What is done about records that are left out: a log line, and a letter to the dead letter queue.

A letter is the record as it was read, key, value, headers and timestamp, with the headers of failures.py if
they are asked for. Offsets are committed, and later records delivered, only when Kafka has the letters:
`flush` says so. The producer is an argument. Imports the runtime's failures and kafka.

Source: Kafka `org.apache.kafka.connect.runtime.errors.{DeadLetterQueueReporter, LogReporter}`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tidelock.client import Outgoing
from tidelock.connect.api import ConnectError
from tidelock.connect.runtime.failures import Skipped, context_headers
from tidelock.connect.runtime.kafka import TaskProducer
from tidelock.connect.runtime.message import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How failures are treated.

    Attributes:
        connector: its name.
        task: number of the task.
        tolerant: errors.tolerance=all.
        logs: errors.log.enable.
        names_place: errors.log.include.messages.
        topic: the dead letter queue; empty: none.
        with_context: errors.deadletterqueue.context.headers.enable.
    """

    connector: str
    task: int = 0
    tolerant: bool = False
    logs: bool = False
    names_place: bool = False
    topic: str = ""
    with_context: bool = False


class Reporter:
    """Reports one task's failures.

    Args:
        options: see ReportOptions.
        producer: for letters; needed where there is a dead letter queue.
    """

    def __init__(self, options: ReportOptions, producer: TaskProducer | None = None) -> None:
        self.options = options
        self._producer = producer
        self._waiting = 0
        self.reported = 0

    @property
    def keeps_messages(self) -> bool:
        """Whether failures must come with the record as it was read."""
        return self._producer is not None

    def report(self, skipped: Skipped) -> None:
        """Leave a record out, or fail the task where that is not tolerated.

        Raises:
            ConnectError: errors.tolerance is none.
        """
        failed, options = skipped.failed, self.options
        if not options.tolerant:
            where = f"{skipped.partition}@{skipped.offset}"
            raise ConnectError(failed.what, where=where, hint=failed.hint) from failed.error
        self.reported += 1
        if options.logs:
            place = f" {skipped.partition}@{skipped.offset}" if options.names_place else ""
            log.error(
                "connector %s: left out%s in %s: %s", options.connector, place, failed.stage.name, failed.what
            )
        if self._producer is not None and skipped.message is not None:
            self._send(self._producer, skipped, skipped.message)

    def _send(self, producer: TaskProducer, skipped: Skipped, message: Message) -> None:
        headers = list(message.headers() or ())
        if self.options.with_context:
            headers += context_headers(skipped, self.options.connector, self.options.task)
        kind, timestamp = message.timestamp()
        self._waiting += 1
        letter = Outgoing(message.key(), message.value(), headers, None, timestamp if kind else None)
        producer.send(self.options.topic, letter, self._acknowledged)

    def _acknowledged(self) -> None:
        self._waiting -= 1

    def flush(self, timeout: float) -> bool:
        """Wait for letters under way; False if some still are.

        Raises:
            TidelockError: a letter could not be delivered.
        """
        if self._producer is None or not self._waiting:
            return True
        self._producer.flush(timeout)
        return not self._waiting
