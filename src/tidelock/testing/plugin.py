"""pytest's plugin: fixtures by name, without a line in conftest.py. Found through the entry point `pytest11`.

    def test_a_lease_ends(tidelock_virtual_time): ...

Loaded in every run of pytest where tidelock is installed, so it imports nothing of tidelock until a test
asks. The names begin with `tidelock_` because a plugin's fixtures are everybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tidelock.testing import RunningBroker, RunningRegistry, VirtualTime


@pytest.fixture
def tidelock_fake() -> Callable[..., Any]:
    """`tidelock.testing.fake`: a typed double of an interface."""
    from tidelock.testing import fake

    return fake


@pytest.fixture
def tidelock_virtual_time() -> Iterator[VirtualTime]:
    """`tidelock.testing.virtual_time`: what the test makes goes by a clock that it controls."""
    from tidelock.testing import virtual_time

    with virtual_time() as clock:
        yield clock


@pytest.fixture
def tidelock_registry() -> Iterator[RunningRegistry]:
    """`tidelock.testing.registry`: a registry on a free port, for this test."""
    from tidelock.testing import registry

    with registry() as running:
        yield running


@pytest.fixture
def tidelock_broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """`tidelock.testing.broker`: an empty broker on a free port, for this test."""
    from tidelock.testing import broker

    with broker(tmp_path / "tidelock-broker") as running:
        yield running
