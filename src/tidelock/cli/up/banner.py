"""What `tidelock up` says once everything accepts: addresses, where the data is, how long it took."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tidelock.cli.up.parts import PARTS

WIDTH = 42


def lines(
    version: str, addresses: Mapping[str, str], details: Mapping[str, str | None], data: str, memory: bool
) -> Iterator[str]:
    """Yield the banner without its last line.

    Args:
        version: ours.
        addresses: part -> address of the parts that run.
        details: part -> what to say in brackets instead of the part's usual words.
        data: the data folder.
        memory: whether the folder is thrown away at the end.
    """
    yield f"tidelock {version}  ·  everything below listens on 127.0.0.1 only"
    yield ""
    for name, address in addresses.items():
        part = PARTS[name]
        shown = f"{address.replace('127.0.0.1', 'localhost')}{part.page}"
        yield f"  {name.capitalize():<10} {shown:<{WIDTH}} ({details.get(name) or part.speaks})"
    kept = "thrown away at the end" if memory else "kept across restarts; --memory for a throw-away run"
    yield f"  {'Data':<10} {near(data)}  ({kept})"
    yield ""


def ready_line(seconds: float, addresses: Mapping[str, str]) -> str:
    """Return the banner's last line."""
    first = "tidelock topic ls" if "broker" in addresses else "tidelock status"
    return f"Ready in {seconds:.2f} s.  Try:  {first}   ·   Ctrl-C stops, `tidelock up` resumes."


def near(path: str) -> str:
    """Return a path as the user would write it from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else f"./{Path(relative)}"
