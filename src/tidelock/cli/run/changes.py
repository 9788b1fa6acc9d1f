"""Which Python files changed: two looks at a folder. Hidden folders and environments are left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

Look = Mapping[str, tuple[int, int]]
"""Path -> (modification time in ns, size)."""


def look(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what `.py` files a folder has, at any depth."""
    found: dict[str, tuple[int, int]] = {}
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # it went away meanwhile; the next look says so
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in LEFT_OUT and not entry.name.startswith("."):
                    waiting.append(entry.path)
            elif entry.name.endswith(".py"):
                try:
                    status = entry.stat()
                except OSError:
                    continue
                found[entry.path] = (status.st_mtime_ns, status.st_size)
    return found


def changed(before: Look, after: Look) -> tuple[str, ...]:
    """Return the paths that differ, came or went, in order."""
    return tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))
