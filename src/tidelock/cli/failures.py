"""The one place that turns what went wrong into text on standard error and an exit code.

    Error TID-105: port 9092 is in use by java (pid 4711)
      at: broker on 127.0.0.1:9092
      do: tidelock up --any-port, or --port-base 19000; or stop the owner

No traceback for a TidelockError unless `-v` was given; anything else that escapes is a bug of ours and keeps
its traceback. A reader that went away (`| head`) ends the command quietly, as SIGPIPE would.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from tidelock.cli.commands import ReaderGoneError, Session
from tidelock.errors import TidelockError, UsageError

INTERRUPTED = 130  # 128 + SIGINT
PIPE_CLOSED = 141  # 128 + SIGPIPE


class CommandLineError(UsageError):
    """The command line cannot be understood: an unknown command, option or value, or one too many."""

    code = "TID-701"


def guarded(run: Callable[[], Any], session: Session) -> int:
    """Run a command line; returns the exit code."""
    try:
        answer = run()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return show(translated(error), session)
    except TidelockError as error:
        return show(error, session)
    except (BrokenPipeError, ReaderGoneError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        return PIPE_CLOSED


def translated(error: click.ClickException) -> TidelockError:
    """Turn click's errors into ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "tidelock"
    if isinstance(error, click.NoSuchOption):
        near = [one for one in error.possibilities or () if _is_near(error.option_name, one)]
        error = click.NoSuchOption(error.option_name, possibilities=near, ctx=context)
    what = error.format_message().strip().rstrip(".")
    what = what[:1].lower() + what[1:] if what[1:2].islower() else what
    return CommandLineError(what, where=path, hint=f"{path} --help")


def _is_near(given: str, option: str) -> bool:
    """Whether an option is really near what was given: click counts the dashes too, and is generous."""
    from tidelock.config import nearest  # start-up time counts, and this is the rare way

    return nearest(given.strip("-"), (option.strip("-"),)) is not None


def show(error: TidelockError, session: Session) -> int:
    """Print an error on standard error; returns its exit code."""
    if session.verbose:
        import traceback  # only with -v

        traceback.print_exception(error)
    click.echo(f"Error {error.code}: {error}", err=True)
    return error.exit_code
