"""`tidelock logs`: the last lines of the parts' logs, and with `-f` what they write from now on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare
from tidelock.errors import NotFoundError

POLL = 0.2


class NoLogsError(NotFoundError):
    """There are no logs in that data folder, or none of that part."""

    code = "TID-709"


@declare(
    examples=("tidelock logs", "tidelock logs broker -n 100", "tidelock logs connect -f"),
    exits={4: "no logs in the data folder, or no such part"},
)
@click.argument("part", required=False)
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="Lines per part.")
@click.option("-f", "--follow", is_flag=True, help="Keep showing what is written.")
@options.data
def command(part: str | None, lines: int, follow: bool, data: Path) -> None:
    """Show what the parts wrote to their logs.

    Each line starts with the part's name. The files are DATA/logs/PART.log.
    """
    files = found(data / "logs", part)
    tails = [Tail(name, path) for name, path in files.items()]
    for tail in tails:
        for line in tail.last(lines):
            click.echo(line)
    while follow:
        from tidelock.cli.up.processes import pause

        pause(POLL)
        for tail in tails:
            for line in tail.new():
                click.echo(line)


def found(folder: Path, part: str | None) -> dict[str, Path]:
    """Return part -> log file.

    Raises:
        NoLogsError: none, or not that part's.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if part is None and files:
        return files
    if part in files:
        return {part: files[part]}
    if not files:
        raise NoLogsError("there are no logs here", where=str(folder), hint="tidelock up")
    raise NoLogsError(
        f"there is no log of {part!r}", where=str(folder), hint=f"choose from {', '.join(files)}"
    )


class Tail:
    """One log file, read from the end."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._position = 0

    def last(self, count: int) -> Iterator[str]:
        """Yield the last lines."""
        lines = list(self.new())
        yield from lines[len(lines) - count :] if count else ()

    def new(self) -> Iterator[str]:
        """Yield the whole lines that were written since the last call; a file that was rolled starts anew."""
        with self._path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(self._position if self._position <= size else 0)
            data = log.read()
            whole = data.rfind(b"\n") + 1
            self._position = log.tell() - len(data) + whole
        for line in data[:whole].decode(errors="replace").splitlines():
            yield f"{self._name}: {line}"
