"""The leases over a restart of the registry: one small JSON file, replaced as a whole.

Leases are soft state: instances renew or register again within seconds. The file spares them and their
callers the gap. Writing goes to a temporary file that is synced and renamed; a file that cannot be read is
put aside, never believed in part. May import `codec` and the operating system.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tidelock.discovery.codec.fields import BadDocumentError, instance_from, tree_of
from tidelock.discovery.instance import Instance
from tidelock.errors import TidelockError

NAME = "leases.json"
LAYOUT = 1


class SnapshotUnreadableError(TidelockError):
    """The file with the leases is damaged or of another layout; the registry starts empty."""

    code = "TID-303"


def encode(instances: Iterable[Instance]) -> bytes:
    """Return the file's content."""
    return msgspec.json.encode({"layout": LAYOUT, "instances": [tree_of(one) for one in instances]})


def write(folder: Path, content: bytes) -> None:
    """Replace the file; durable when it returns. Blocks on the disk.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{NAME}.part"
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> list[Instance]:
    """Return the leases of the last snapshot; none when there is no file.

    Raises:
        SnapshotUnreadableError: it was moved aside to `leases.json.bad`.
    """
    path = folder / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        tree = msgspec.json.decode(content)
        if not isinstance(tree, dict) or tree.get("layout") != LAYOUT:
            raise BadDocumentError("another layout")
        return [instance_from(item) for item in tree.get("instances") or ()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadDocumentError) as error:
        path.replace(folder / f"{NAME}.bad")
        raise SnapshotUnreadableError(
            f"the registry's leases cannot be read: {error}",
            where=str(path),
            hint=f"nothing: it is kept as {NAME}.bad, and instances register again by themselves",
        ) from None
