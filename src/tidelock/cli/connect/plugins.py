"""`tidelock connect plugins`: the connector classes that the worker can run."""

from __future__ import annotations

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock connect plugins", "tidelock connect plugins -o name"))
@options.connect_url
@output.option
def command(connect_url: str, output: output.Output) -> None:
    """List the connector plugins of the worker."""
    from tidelock.cli.rest import ask

    _, found = ask("connect", connect_url, "GET", "/connector-plugins")
    output.rows(found, columns=("class", "type", "version"), key="class")
