"""Every error class is documented and has a code of its own."""

import importlib
import pkgutil
from collections import defaultdict

import tidelock
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import KafkaError


def error_classes() -> set[type[TidelockError]]:
    for module in pkgutil.walk_packages(tidelock.__path__, "tidelock."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type[TidelockError]] = set()
    waiting: list[type[TidelockError]] = [TidelockError]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("tidelock."):
            found.add(one)
    return found


def test_every_error_says_what_it_means() -> None:
    silent = [one.__qualname__ for one in error_classes() if not (one.__dict__.get("__doc__") or "").strip()]
    assert silent == []


def test_no_code_means_two_things() -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for one in error_classes():
        if "code" in one.__dict__ and not issubclass(one, KafkaError):
            owners[one.code].append(f"{one.__module__}.{one.__qualname__}")
    assert {code: sorted(names) for code, names in owners.items() if len(names) > 1} == {}


def test_exit_codes_are_the_documented_ones() -> None:
    assert {one.exit_code for one in error_classes()} <= set(range(1, 7))
