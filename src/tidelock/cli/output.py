"""How commands print data: `-o table|json|jsonl|yaml|name`, always to standard output.

Commands hand over plain data (dicts, lists, texts, numbers) and the columns a table shows; what is not JSON
(dates, decimals) is printed as its text. A table is aligned on a terminal and tab-separated elsewhere, so
that `cut` and `awk` work. Colour marks words that already carry the meaning (RUNNING, FAILED, UP, DOWN).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from tidelock.cli.commands import session
from tidelock.runtime import environment

FORMATS = ("table", "json", "jsonl", "yaml", "name")
Row = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_COLOURS = {"green": "UP RUNNING OK STABLE EQUAL PASS", "red": "DOWN FAILED DEAD DIFFERENT"}
_WORD_COLOUR = {word: colour for colour, words in _COLOURS.items() for word in words.split()}
_PLAIN_YAML = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./ \-]*(?<! )\Z")
_YAML_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"))


def colour_wanted(choice: str, variables: Mapping[str, str], *, terminal: bool) -> bool:
    """Decide whether to colour: the option, then NO_COLOR, FORCE_COLOR, TERM=dumb, then the terminal.

    Source: https://no-color.org, https://force-color.org.
    """
    if choice != "auto":
        return choice == "always"
    if variables.get("NO_COLOR"):
        return False
    if variables.get("FORCE_COLOR"):
        return True
    return terminal and variables.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class Output:
    """Prints one command's data in the format that the user asked for."""

    format: str = "table"
    terminal: bool = False
    colour: bool = False

    def rows(self, rows: Iterable[Row], *, columns: Sequence[str], key: str) -> None:
        """Print a list of things.

        Args:
            rows: one mapping each; JSON and YAML show all their fields.
            columns: the fields that a table shows.
            key: the field that `-o name` prints.
        """
        found = list(rows)
        if self.format == "table":
            _print_lines(self.table(found, columns))
        elif self.format == "json":
            _put(_json(found, indent=2))
        elif self.format == "yaml":
            _print_lines(yaml_lines(_plain(found)))
        else:
            self.stream(found, columns=columns, key=key)

    def record(self, record: Row, *, key: str) -> None:
        """Print one thing with its fields; a field that is a list of mappings becomes a table of its own."""
        if self.format == "table":
            _print_lines(self._record_lines(record))
        elif self.format == "name":
            _put(record[key])
        elif self.format == "yaml":
            _print_lines(yaml_lines(_plain(record)))
        else:
            _put(_json(record, indent=2 if self.format == "json" else None))

    def stream(self, rows: Iterable[Row], *, columns: Sequence[str], key: str) -> None:
        """Print things as they come, each at once; JSON is one array that is closed at the end."""
        if self.format == "json":
            self._json_stream(rows)
            return
        for row in rows:
            if self.format == "jsonl":
                _put(_json(row))
            elif self.format == "yaml":
                _print_lines(yaml_lines([_plain(row)]))
            elif self.format == "name":
                _put(_cell(row[key]))
            else:
                _put("\t".join(_cell(row.get(column)) for column in columns))
            sys.stdout.flush()

    def _json_stream(self, rows: Iterable[Row]) -> None:
        before = "["
        try:
            for row in rows:
                _put(f"{before}\n  {_json(row)}", end="")
                sys.stdout.flush()
                before = ","
        finally:
            _put("[]" if before == "[" else "\n]")

    def table(self, rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
        """Yield the lines of a table."""
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        heads = [column.replace("_", " ").upper() for column in columns]
        if not self.terminal:
            yield from ("\t".join(line) for line in [heads, *cells])
            return
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        for number, line in enumerate([heads, *cells]):
            padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
            yield "  ".join(self._painted(text, head=number == 0) for text in padded).rstrip()

    def _record_lines(self, record: Row) -> Iterator[str]:
        simple = {name: value for name, value in record.items() if not _is_rows(value)}
        width = max((len(name) for name in simple), default=0) + 2 if self.terminal else 0
        for name, value in simple.items():
            label = f"{name.replace('_', ' ')}:".ljust(width)
            yield f"{label}{' ' if self.terminal else chr(9)}{self._painted(_cell(value))}"
        for name, value in record.items():
            if _is_rows(value):
                yield from ("", f"{name.replace('_', ' ')}:")
                yield from self.table(value, list(value[0]))

    def _painted(self, text: str, *, head: bool = False) -> str:
        if not self.colour:
            return text
        if head:
            return click.style(text, bold=True)
        colour = _WORD_COLOUR.get(text.strip())
        return click.style(text, fg=colour) if colour else text


def option(function: F) -> F:
    """Add `-o` to a command; it arrives as the argument `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        callback=lambda context, parameter, value: of(value),
        help="How to print the data.",
    )(function)


def of(form: str) -> Output:
    """Return the output for a format and this process's standard output."""
    terminal = sys.stdout.isatty()
    return Output(form, terminal, colour_wanted(session().colour, environment(), terminal=terminal))


def yaml_lines(value: Any, indent: str = "") -> Iterator[str]:
    """Yield the lines of a YAML document for plain data; texts that could be misread are quoted."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _yaml_item(f"{indent}{_yaml_scalar(name)}:", item, indent)
    elif isinstance(value, list) and value:
        for item in value:
            lines = list(yaml_lines(item, indent + "  "))
            yield f"{indent}- {lines[0].lstrip()}"
            yield from lines[1:]
    else:
        yield f"{indent}{_yaml_scalar(value)}"


def _yaml_item(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield head
        yield from yaml_lines(item, indent + "  ")
    else:
        yield f"{head} {_yaml_scalar(item)}"


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_YAML.match(value) and value.lower() not in _YAML_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return json.loads(_json(value))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_text)


def _text(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _cell(value: Any) -> str:
    if value is None or value in ([], (), {}, ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(_cell(item) for item in value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_cell(item)}" for name, item in value.items())
    return str(value).replace("\t", "\\t").replace("\n", "\\n")


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        _put(line)


def _put(text: object, end: str = "\n") -> None:
    sys.stdout.write(f"{text}{end}")  # not click.echo, which takes colours away that the user forced
