"""The question before something is lost: `--yes`, or an answer on the terminal, or a refusal."""

from __future__ import annotations

import sys

import click

from tidelock.errors import RefusedError


class NotConfirmedError(RefusedError):
    """The command destroys something and nobody confirmed it."""

    code = "TID-725"


def confirm(what: str, *, yes: bool) -> None:
    """Return when the user agrees.

    Args:
        what: what will be done, as "delete topic orders".
        yes: the user said so on the command line.

    Raises:
        NotConfirmedError: there is no terminal to ask on, or the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmedError(f"will not {what} without a confirmation", hint="add --yes")
    if not click.confirm(f"{what[:1].upper()}{what[1:]}?", err=True):
        raise NotConfirmedError(f"did not {what}: not confirmed")
