"""`tidelock dlq show TOPIC`: the letters of a queue."""

from __future__ import annotations

import itertools

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock dlq show orders-dlq",
        "tidelock dlq show orders-dlq --stage VALUE_CONVERTER -o jsonl",
        "tidelock dlq show orders-dlq --all --limit 5",
    ),
    exits={4: "no such topic"},
)
@click.argument("topic")
@click.option("--all", "everything", is_flag=True, help="Also letters that were replayed.")
@click.option("--stage", help="Only of this stage: TASK_PUT, TRANSFORMATION, VALUE_CONVERTER, ...")
@click.option("--error", help="Only with this text in the error's class or message.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@options.bootstrap
@output.option
def command(
    topic: str, everything: bool, bootstrap: str, output: output.Output, *, limit: int | None, **only: str
) -> None:
    """Show the letters of a queue: where each came from, and what went wrong.

    What is told comes from the headers of errors.deadletterqueue.context.headers.enable=true; without them
    only the record itself is shown.
    """
    from tidelock.cli import letters

    found = letters.read(bootstrap, topic, anew=everything)
    rows = (letters.row(one) for one in found if letters.is_wanted(one, **only))
    columns = ("offset", "from", "stage", "message", "key", "value")
    output.stream(itertools.islice(rows, limit), columns=columns, key="offset")
