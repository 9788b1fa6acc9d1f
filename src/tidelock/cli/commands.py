"""How commands and groups are declared: lazy groups, examples and exit codes in every help page.

A command function returns its exit code (None is 0), prints data through tidelock.cli.output and raises a
TidelockError for everything that goes wrong. May import click and the command tree, nothing heavier.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from tidelock.cli.tree import Branch, Leaf

EXIT_CODES = {
    0: "done",
    1: "the answer is no",
    2: "wrong usage",
    3: "nobody answers",
    4: "not found",
    5: "refused",
    6: "conflict",
    130: "interrupted",
}


@dataclass(slots=True)
class Session:
    """What holds for one run of the command line."""

    verbose: bool = False
    colour: str = "auto"


def session() -> Session:
    """Return the running command line's session."""
    context = click.get_current_context(silent=True)
    found = context.find_root().obj if context is not None else None
    return found if isinstance(found, Session) else Session()


def be_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Handle `-v`, which every command accepts."""
    if value:
        import logging  # only for those who ask for it: 5 ms

        context.ensure_object(Session)
        context.find_root().obj.verbose = True
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")


def verbose_option() -> click.Option:
    """Return the option `-v`."""
    return click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=be_verbose,
        help="Show debug output, and tracebacks of errors.",
    )


class ReaderGoneError(Exception):
    """Nobody reads standard output any more; click would make a failure of it."""


class HouseCommand(click.Command):
    """A command whose help shows examples and the exit codes that scripts care about.

    Args:
        examples: one command line per entry; at least one.
        exits: exit code -> what it means here, for codes that need more than the general rule.
    """

    def __init__(
        self,
        *args: Any,
        examples: tuple[str, ...] = (),
        exits: Mapping[int, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exits = dict(exits or {})
        self.params.append(verbose_option())

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; returns its exit code."""
        from tidelock.cli.variables import misspelt
        from tidelock.runtime import environment

        for line in misspelt(environment()):
            click.echo(f"Warning: {line}", err=True)
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and exit codes under the options."""
        write_lines(formatter, "Examples", self.examples)
        if self.exits:
            write_lines(formatter, "Exit codes", [f"{code}  {text}" for code, text in self.exits.items()])


def write_lines(formatter: click.HelpFormatter, title: str, lines: tuple[str, ...] | list[str]) -> None:
    """Write a titled block of unwrapped lines."""
    if lines:
        with formatter.section(title):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def command(
    *, examples: tuple[str, ...], exits: Mapping[int, str] | None = None, **attributes: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command; its docstring is its help, the first sentence stands in the tree."""
    return click.command(cls=HouseCommand, examples=examples, exits=exits, **attributes)


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is used.

    Args:
        entries: name -> leaf or branch, in the order that help shows.
    """

    def __init__(self, *args: Any, entries: Mapping[str, Leaf | Branch], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in declaration order."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if isinstance(entry, Branch):
            return LazyGroup(cmd_name, entries=entry.children, help=entry.help)
        found: click.Command = importlib.import_module(entry.module).command
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help, on standard error, when no command is given."""
        if not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        name = args[0]
        if name in self.entries or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from tidelock.config import nearest  # start-up time counts, and this is the rare way

        near = nearest(name, self.entries)
        meant = f"; did you mean {near}?" if near else ""
        ctx.fail(f"no such command {name!r}{meant}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])
