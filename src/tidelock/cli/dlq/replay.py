"""`tidelock dlq replay TOPIC`: letters go back to where they came from, once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock dlq replay orders-dlq --dry-run",
        "tidelock dlq replay orders-dlq --yes",
        "tidelock dlq replay orders-dlq --to orders-repaired --yes",
        "tidelock dlq replay orders-dlq --error IntegrityError --yes",
    ),
    exits={0: "every letter is acknowledged", 2: "a letter names no topic", 4: "no such topic"},
)
@click.argument("topic")
@click.option("--to", metavar="TOPIC", help="Send all there, not to the topics that the letters name.")
@click.option("--all", "everything", is_flag=True, help="Also letters that were replayed before.")
@click.option("--stage", help="Only of this stage. The queue is not marked as replayed then.")
@click.option("--error", help="Only with this text in the error; the queue is not marked as replayed then.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent.")
@options.yes
@options.bootstrap
@output.option
def command(
    topic: str, bootstrap: str, output: output.Output, *, to: str | None, dry_run: bool, **which: Any
) -> None:
    """Send the letters of a queue back to the topics they came from.

    Each goes to the partition it was read from, with its key, value, timestamp and own headers. Everybody
    who reads that topic gets it again, not only the connector that left it out. What was sent is not sent
    again by a second replay. A letter that still cannot be handled becomes a new letter.
    """
    from tidelock.cli import letters
    from tidelock.cli.confirm import confirm

    yes, anew, only = which.pop("yes"), which.pop("everything"), which
    found = [one for one in letters.read(bootstrap, topic, anew=anew) if letters.is_wanted(one, **only)]
    targets = Counter(letters.target_of(one, to) for one in found)
    if found and not dry_run:
        confirm(f"send {len(found)} letters of {topic} to {', '.join(sorted(targets))}", yes=yes)
        marks = not any(only.values())
        sent = letters.replay(bootstrap, topic, found, lambda one: letters.target_of(one, to), marks=marks)
        targets = Counter(letters.target_of(one, to) for one in sent)
    rows = [{"topic": name, "letters": count} for name, count in sorted(targets.items())]
    output.rows(rows, columns=("topic", "letters"), key="topic")
