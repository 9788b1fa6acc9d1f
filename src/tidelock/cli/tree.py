"""The command tree: every command's name, one-line help and module, in the order that help shows.

This is the only place where a command is registered. A module is imported when its command is used (or its
own help asked for), so `tidelock --help` costs click and this table. Each module defines `command`. A test
walks the tree and compares each line here with the first sentence of the command's own help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command: its one-line help and the module that defines `command`."""

    help: str
    module: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A noun: its one-line help and its verbs."""

    help: str
    children: Mapping[str, Leaf]


TREE: dict[str, Leaf | Branch] = {
    "up": Leaf("Run registry, broker and Connect on this machine until Ctrl-C.", "tidelock.cli.up.command"),
    "down": Leaf("Stop what `tidelock up` runs in a data folder.", "tidelock.cli.down"),
    "status": Leaf("Show what runs: parts, processes, addresses, health, memory.", "tidelock.cli.status"),
    "logs": Leaf("Show what the parts wrote to their logs.", "tidelock.cli.logs"),
}
