"""`tidelock dlq ls`: which connector has a dead letter queue, and how much is in it."""

from __future__ import annotations

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock dlq ls", "tidelock dlq ls -o name"))
@options.connect_url
@options.bootstrap
@output.option
def command(connect_url: str, bootstrap: str, output: output.Output) -> None:
    """List the dead letter queues of the worker's connectors.

    Several connectors may share a queue. A queue without counts was not made yet.
    """
    from tidelock.cli import letters
    from tidelock.cli.rest import ask

    _, connectors = ask("connect", connect_url, "GET", "/connectors?expand=info")
    rows = [
        {"topic": topic, "connector": name, **(letters.counts(bootstrap, topic) or {})}
        for name, topic in letters.queues(connectors)
    ]
    output.rows(rows, columns=("topic", "connector", "letters", "not_replayed"), key="topic")
