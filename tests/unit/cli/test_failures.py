"""Errors become text and exit codes; a reader that went away is no error."""

import pytest

from tidelock.cli.commands import Session
from tidelock.cli.failures import INTERRUPTED, guarded
from tidelock.errors import ConflictError, NotFoundError, RefusedError, TidelockError, UnreachableError


def raising(error: BaseException) -> int:
    def run() -> None:
        raise error

    return guarded(run, Session())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TidelockError("x"), 1),
        (UnreachableError("x"), 3),
        (NotFoundError("x"), 4),
        (RefusedError("x"), 5),
        (ConflictError("x"), 6),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert raising(error) == code


def test_an_answer_is_the_exit_code() -> None:
    assert guarded(lambda: 1, Session()) == 1
    assert guarded(lambda: None, Session()) == 0


def test_an_error_is_shown_once_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    raising(
        ConflictError("port 9092 is in use", where="broker on 127.0.0.1:9092", hint="tidelock up --any-port")
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "Error TID-105: port 9092 is in use\n  at: broker on 127.0.0.1:9092\n  do: tidelock up --any-port\n"
    )


def test_verbose_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise NotFoundError("gone")

    assert guarded(run, Session(verbose=True)) == 4
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0, Session())
