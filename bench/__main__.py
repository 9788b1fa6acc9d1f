"""`python -m bench [NAME...]`: run benchmarks; without a name all of them, `--list` names them.

A benchmark is a module of this package with a `main()` that prints its table.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bench

NOT_BENCHMARKS = {
    "__main__",
    "call_peers",
    "calling",
    "converting",
    "latency",
    "lives",
    "load",
    "peers",
    "records",
    "timing",
    "workers",
}


def names() -> list[str]:
    """Every module here is a benchmark, but for the few that they share."""
    return sorted({module.name for module in pkgutil.iter_modules(bench.__path__)} - NOT_BENCHMARKS)


def main(arguments: list[str]) -> int:
    known = names()
    if arguments == ["--list"]:
        print("\n".join(known))
        return 0
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in arguments or known:
        print(f"# {name}")
        importlib.import_module(f"bench.{name}").main()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
