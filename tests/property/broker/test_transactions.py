"""Random transaction histories of clients of both versions: every answer and every view as the model says."""

from __future__ import annotations

import pytest

from tests.support.transaction_histories import History


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_histories(first: int) -> None:
    for seed in range(first, first + 40):
        History(seed).run()
