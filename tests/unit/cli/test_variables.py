from collections.abc import Iterator, Mapping

import click
import pytest

from tidelock.cli.main import main, root
from tidelock.cli.tree import TREE, Branch, Leaf
from tidelock.cli.variables import KNOWN, PREFIX, SERVICES, misspelt
from tidelock.http.policies import VARIABLE
from tidelock.http.source import VARIABLE_PREFIX


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TIDELOCK_BOOTSTRP", "TIDELOCK_BOOTSTRAP"),
        ("TIDELOCK_BOOTSTRAP_SERVERS", "TIDELOCK_BOOTSTRAP"),
        ("TIDELOCK_REGISTRY", "TIDELOCK_REGISTRY_URL"),
        ("TIDELOCK_SERVICE_ORDERS", "TIDELOCK_SERVICES_ORDERS"),
        ("TIDELOCK_DATAA", "TIDELOCK_DATA"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(name: str, meant: str) -> None:
    assert list(misspelt([name])) == [f"nobody reads the variable {name}; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name", ["TIDELOCK_DATA", "TIDELOCK_SERVICES_X", "TIDELOCK_STORM", "PATH", "TIDELOCK_"]
)
def test_what_is_known_or_anybodys_is_not_told(name: str) -> None:
    assert list(misspelt([name])) == []


def variables(entries: Mapping[str, Leaf | Branch], group: click.Group) -> Iterator[str]:
    context = click.Context(group)
    for name, entry in entries.items():
        command = group.get_command(context, name)
        if isinstance(entry, Branch) and isinstance(command, click.Group):
            yield from variables(entry.children, command)
        elif command is not None:
            yield from (str(one.envvar) for one in command.params if one.envvar)


def test_every_variable_that_somebody_reads_is_known() -> None:
    read = {*variables(TREE, root()), VARIABLE}
    assert {one.removeprefix(PREFIX) for one in read} == set(KNOWN)
    assert f"{PREFIX}{SERVICES}_" == VARIABLE_PREFIX


def test_every_command_tells_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TIDELOCK_BOOTSTRP", "127.0.0.1:1")
    main(["status", "--data", "/nowhere"])
    assert capsys.readouterr().err.startswith("Warning: nobody reads the variable TIDELOCK_BOOTSTRP;")
