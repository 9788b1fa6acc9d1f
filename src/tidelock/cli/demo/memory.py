"""Peak memory of every process of a run, read from /proc (empty where there is none).

The peak of a process is the largest VmHWM ever seen for its name, so a process that is killed on purpose
keeps the figure of its life before the kill.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class MemoryWatch:
    """Collects peaks under readable names."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}

    def look(self, roots: Mapping[str, int]) -> None:
        """Read the peaks of named processes and of all their descendants.

        Args:
            roots: name -> process id; a child without a name of its own counts as "NAME task" under its
                nearest named ancestor.
        """
        names = {pid: name for name, pid in roots.items()}
        parents = _parents()
        for pid in parents:
            name = _name(pid, names, parents)
            peak = _peak_bytes(pid) if name else 0
            if name and peak > self.peaks.get(name, 0):
                self.peaks[name] = peak


def _name(pid: int, names: Mapping[int, str], parents: Mapping[int, int]) -> str | None:
    if pid in names:
        return names[pid]
    ancestor = parents.get(pid, 0)
    while ancestor:
        if ancestor in names:
            return f"{names[ancestor]} child"
        ancestor = parents.get(ancestor, 0)
    return None


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            found[int(entry.name)] = int(fields[1])
    return found


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0  # it ended meanwhile
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
