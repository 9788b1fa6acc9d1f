"""The command tree: every command can be imported, explains itself and shows an example."""

from collections.abc import Iterator

import click
import pytest

from tidelock.cli.commands import HouseCommand, LazyGroup
from tidelock.cli.main import root
from tidelock.cli.tree import Branch, Leaf


def walk(
    group: LazyGroup, path: tuple[str, ...] = ("tidelock",)
) -> Iterator[tuple[str, Leaf, click.Command]]:
    context = click.Context(group, info_name=path[-1])
    for name, entry in group.entries.items():
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(entry, Branch):
            assert isinstance(found, LazyGroup)
            yield from walk(found, (*path, name))
        else:
            yield " ".join((*path, name)), entry, found


COMMANDS = {path: (leaf, found) for path, leaf, found in walk(root())}


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_explains_itself(path: str) -> None:
    leaf, found = COMMANDS[path]
    assert isinstance(found, HouseCommand)
    assert found.help
    assert found.help.split("\n\n")[0].replace("\n", " ").strip() == leaf.help
    assert leaf.help.endswith(".")
    assert found.examples
    assert any(example.startswith(path) for example in found.examples)
    assert all(code in range(7) or code in (130, 141) for code in found.exits)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_has_help(path: str) -> None:
    silent = [
        option.name
        for option in COMMANDS[path][1].params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


@pytest.mark.parametrize("path", COMMANDS)
def test_output_formats_are_the_same_everywhere(path: str) -> None:
    for option in COMMANDS[path][1].params:
        if option.name == "output" and "table" in getattr(option.type, "choices", ()):
            assert isinstance(option.type, click.Choice)
            assert tuple(option.type.choices) == ("table", "json", "jsonl", "yaml", "name")
