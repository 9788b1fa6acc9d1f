"""Java properties files, read by Connect's own reader, which is imported only when such a file is given."""

from __future__ import annotations

import importlib
from pathlib import Path


def load(path: Path) -> dict[str, str]:
    """Read a Java properties file.

    Raises:
        TidelockError: the file cannot be read.
    """
    found: dict[str, str] = importlib.import_module("tidelock.connect").load_properties(path)
    return found
