"""The command line as a whole: help, near misses, exit codes, and the shape of what is printed on errors."""

import pytest

from tidelock import __version__
from tidelock.cli.main import main
from tidelock.cli.tree import TREE


def test_help_lists_every_command_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr()
    words = shown.out.split()
    assert all(set(entry.help.split()) <= set(words) and name in words for name, entry in TREE.items())
    assert "Exit codes:\n  0    done\n" in shown.out
    assert shown.err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tidelock {__version__}\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["stauts"], "no such command 'stauts'; did you mean status?\n  at: tidelock\n  do: tidelock --help"),
        (["xyzzy"], "no such command 'xyzzy'\n  at: tidelock\n"),
        (["up", "brocker"], "there is no part 'brocker'; did you mean broker?\n  do: choose from registry,"),
        (["up", "--any-prot"], "no such option '--any-prot'"),
        (["up", "--any-prot"], "--any-port"),
        (["status", "-o", "jsn"], "'jsn' is not one of"),
        (["up", "--port-base", "x"], "'x' is not a valid integer"),
        (["up", "--any-port", "--port-base", "9"], "--any-port and --port-base exclude each other"),
        (["up", "--set", "broker"], "--set 'broker' is not KEY=VALUE"),
        (["up", "--set", "brokr.x=1"], "did you mean broker.x?"),
        (["down", "--bogus"], "no such option '--bogus'\n  at: tidelock down\n"),
        (["bogus"], "no such command 'bogus'\n  at: tidelock\n"),
        (["down", "now"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_three_lines_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], line: list[str], says: str
) -> None:
    assert main(line) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.startswith("Error TID-")
    assert len(shown.err.splitlines()) <= 3
    assert shown.out == ""


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err
