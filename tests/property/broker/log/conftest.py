"""The models write recovery checkpoints as often as they flush, so that every kind of start meets them."""

from __future__ import annotations

import pytest

from tidelock.broker.log import stored_log


@pytest.fixture(autouse=True, scope="package")
def _checkpoints_are_due() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_log, "RESUME_EVERY_BYTES", 200)
        patch.setattr(stored_log, "RESUME_EVERY_SIZES", 0)
        yield
