"""What `tidelock verify` shows of a comparison: the verdict in one line, and the rows that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from tidelock.cli.output import Output

COUNTS = ("missing", "extra", "different", "conflict")
COLUMNS = ("finding", "key", "column", "source", "target")


def split_key(key: str | None) -> list[str] | None:
    """Return the columns of `--key A,B`."""
    return [part.strip() for part in key.split(",")] if key else None


def show(document: Mapping[str, Any], output: Output) -> int:
    """Print a comparison, and return 0 when the target is the union of the sources."""
    if output.format == "name":
        for one in document["differences"]:
            click.echo(key_text(one["key"]))
    elif output.format != "table":
        output.record(document, key="table")
    else:
        click.echo(verdict(document))
        rows = list(differing(document))
        if rows:
            output.rows(rows, columns=COLUMNS, key="key")
        for note in notes(document, len(document["differences"])):
            click.echo(note, err=True)
    return 0 if document["equal"] else 1


def verdict(document: Mapping[str, Any]) -> str:
    """Return the result in one line."""
    figures = [f"source rows {document['source_rows']:,}", f"target rows {document['target_rows']:,}"]
    figures += [f"{name} {document[name]:,}" for name in COUNTS]
    if document["duplicates"]:
        figures.append(f"equal in several sources {document['duplicates']:,}")
    if count := len(list(lacking(document))):
        figures.append(f"columns not on all sides {count:,}")
    word = "EQUAL" if document["equal"] else "DIFFERENT"
    return f"{document['table']}: {' · '.join(figures)}   {word} ({document['seconds']:.2f} s)"


def differing(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row per difference, and one per column where columns differ."""
    for one in document["differences"]:
        row = {"finding": one["finding"], "key": key_text(one["key"])}
        if not one["columns"]:
            yield {**row, "column": None, "source": ", ".join(one["sources"]) or None, "target": None}
        for name, both in one["columns"].items():
            yield {**row, "column": name, **{side: shown(both[side]) for side in ("source", "target")}}


def lacking(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (address, column) of what only some sides have."""
    for side in (*document["sources"], document["target"]):
        for name in side["only_here"]:
            yield side["url"], name


def notes(document: Mapping[str, Any], listed: int) -> Iterator[str]:
    """Yield what limits the comparison, in sentences."""
    total = sum(document[name] for name in COUNTS)
    if total > listed:
        yield f"{listed:,} of {total:,} differences are shown"
    for url, name in lacking(document):
        yield f"column {name} of {url} is not on all sides; --ignore {name} compares without it"
    yield from document["notes"]


def key_text(key: Mapping[str, str]) -> str:
    """Return a key as text: the value, or name=value pairs where it has several columns."""
    return next(iter(key.values())) if len(key) == 1 else ", ".join(f"{name}={key[name]}" for name in key)


def shown(value: str | None) -> str:
    """Return a value so that NULL, the empty text and trailing blanks can be told apart."""
    if value is None:
        return "NULL"
    return repr(value) if value != value.strip() or value in ("", "NULL") else value
