"""Entry point of the `tidelock` script: options that hold for every command, and the lazy tree.

`tidelock --help` must stay below 100 ms, so this imports click and the tree only; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from tidelock import __version__
from tidelock.cli import failures
from tidelock.cli.commands import EXIT_CODES, LazyGroup, Session, verbose_option, write_lines
from tidelock.cli.tree import TREE

HELP = """Services that find each other, call each other and keep their data in step.

Data goes to standard output, everything else to standard error. Settings come from options, then from
TIDELOCK_* variables, then from what `tidelock up` runs in ./.tidelock, then from the well-known ports.
"""


class Root(LazyGroup):
    """The command `tidelock` itself."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes, which are the same for every command."""
        write_lines(formatter, "Exit codes", [f"{code:<4} {text}" for code, text in EXIT_CODES.items()])


def set_colour(context: click.Context, parameter: click.Parameter, value: str) -> None:
    """Remember `--color` for the output module."""
    context.ensure_object(Session).colour = value


def root() -> LazyGroup:
    """Build the command `tidelock`."""
    options: list[click.Parameter] = [
        verbose_option(),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            expose_value=False,
            callback=set_colour,
            help="Colour words on a terminal; NO_COLOR, FORCE_COLOR and TERM=dumb are honoured.",
        ),
    ]
    group = Root(
        "tidelock",
        entries=TREE,
        help=HELP,
        params=options,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    return click.version_option(__version__, "-V", "--version", message="tidelock %(version)s")(group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    session = Session()
    return failures.guarded(
        lambda: root().main(
            args=None if arguments is None else list(arguments),
            prog_name="tidelock",
            standalone_mode=False,
            obj=session,
        ),
        session,
    )
