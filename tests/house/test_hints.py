"""A hint that names a command of ours names one that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidelock.cli.tree import TREE, Branch

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tidelock"
UNKNOWN = "\0"
"""Stands in a text for what only the running program knows."""
COMMAND = re.compile(r"(?<![\w/.-])tidelock ([\0a-z][\0a-z-]*)(?: ([\0a-z][\0a-z-]*))?")


def text(node: ast.expr) -> str:
    """The text of an expression: its literals, all else unknown."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text, node.values))
    if isinstance(node, ast.BoolOp):
        return "; ".join(map(text, node.values))
    if isinstance(node, ast.IfExp):
        return f"{text(node.body)}; {text(node.orelse)}"
    if isinstance(node, ast.BinOp):
        return text(node.left) + text(node.right)
    return UNKNOWN


def hints(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.keyword(arg="hint", value=value):
                yield text(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.lower().endswith("hint"):
                yield text(value)


def missing(hint: str) -> list[str]:
    """The commands in a hint that do not exist; what is unknown is taken for right."""
    absent = []
    for found in COMMAND.finditer(hint):
        name, verb = found.group(1), found.group(2) or ""
        entry = TREE.get(name)
        is_there = entry is not None and (not isinstance(entry, Branch) or verb in entry.children)
        if not is_there and UNKNOWN not in name and (entry is None or UNKNOWN not in verb):
            absent.append(found.group())
    return absent


def test_every_command_in_a_hint_exists() -> None:
    every = [(path, hint) for path in SOURCES.rglob("*.py") for hint in hints(path.read_text("utf-8"))]
    assert sum("tidelock " in hint for _, hint in every) > 15
    wrong = [(str(path.relative_to(SOURCES)), one) for path, hint in every for one in missing(hint)]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('raise E("x", hint="stop it: tidelock group reset")', ["tidelock group reset"]),
        ('raise E("x", hint=given or "tidelock rise --any-port")', ["tidelock rise"]),
        ('raise E("x", hint=f"tidelock group {verb}; tidelock {noun}; tidelock logs {part}")', []),
        ('UP_HINT = "tidelock uq"', ["tidelock uq"]),
        ('raise E("x", hint="tidelock group" if a else "tidelock topic ls")', ["tidelock group"]),
    ],
)
def test_the_check_finds_what_is_wrong(source: str, wrong: list[str]) -> None:
    assert [one for hint in hints(source) for one in missing(hint)] == wrong
