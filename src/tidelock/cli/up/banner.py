"""What `tidelock up` says once everything accepts: addresses, where the data is, how long it took."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tidelock.cli.up.parts import PARTS
from tidelock.cli.up.state import Running

WIDTH = 42


def lines(running: Running, details: Mapping[str, str | None], *, memory: bool) -> Iterator[str]:
    """Yield the banner without its last line.

    Args:
        running: our version, the addresses of the parts that run, the data folder.
        details: part -> what to say in brackets instead of the part's usual words.
        memory: whether the data folder is thrown away at the end.
    """
    yield f"tidelock {running.version}  ·  everything below listens on 127.0.0.1 only"
    yield ""
    for name, address in running.addresses.items():
        part = PARTS[name]
        shown = f"{address.replace('127.0.0.1', 'localhost')}{part.page}"
        yield f"  {name.capitalize():<10} {shown:<{WIDTH}} ({details.get(name) or part.speaks})"
    kept = "thrown away at the end" if memory else "kept across restarts; --memory for a throw-away run"
    yield f"  {'Data':<10} {near(running.data)}  ({kept})"
    if running.topics is not None:
        yield f"  {'Topics':<10} {near(running.topics)}  (kept there: log.dirs)"
    yield ""


def ready_line(seconds: float, addresses: Mapping[str, str]) -> str:
    """Return the banner's last line."""
    first = "tidelock topic ls" if "broker" in addresses else "tidelock status"
    return f"Ready in {seconds:.2f} s.  Try:  {first}   ·   Ctrl-C stops, `tidelock up` resumes."


def farewell(data: str, topics: str | None, *, memory: bool) -> str:
    """Return the last line of all: what is kept, and where."""
    if topics is None:
        return "Stopped; nothing is kept." if memory else f"Stopped. The data stays in {data}"
    rest = "nothing else is kept" if memory else f"the rest in {data}"
    return f"Stopped. The topics stay in {topics}, {rest}."


def near(path: str) -> str:
    """Return a path as the user would write it from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else f"./{Path(relative)}"
