"""CRC-32C, as record batches carry it: the function of the crc32c distribution, without its package.

`import crc32c` first runs its `__init__`, which reads its own version through importlib.metadata and an
argument parser through its command line: a tenth of a broker's start, for nothing that is used here. So the
compiled module in it is loaded directly, under its own name; where a release is built differently, the
package is imported as usual. Imports nothing of the house.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any, Final, TypeAlias

Checksum: TypeAlias = Callable[[Any], int]

PACKAGE: Final = "crc32c"
COMPILED: Final = "_crc32c"


def load() -> Checksum:
    """Return crc32c(buffer) -> 32 bits; takes any contiguous buffer, writable ones as well.

    Raises:
        ImportError: the crc32c distribution is not installed.
    """
    package = PathFinder.find_spec(PACKAGE)
    places = package.submodule_search_locations if package is not None else None
    found = PathFinder.find_spec(COMPILED, places) if places else None
    if found is not None and found.loader is not None:
        found.name = found.loader.name = f"{PACKAGE}.{COMPILED}"  # type: ignore[attr-defined]  # a file's loader
        module = module_from_spec(found)
        found.loader.exec_module(module)
        function: Checksum | None = getattr(module, "crc32c", None)
        if function is not None:
            return function
    import crc32c  # the way round, for a distribution that is built differently

    whole: Checksum = crc32c.crc32c
    return whole


crc32c: Final = load()
