import pytest

from tidelock.discovery.preservation import Preservation


@pytest.mark.parametrize(
    ("expired", "leases", "active"),
    [
        (0, 10, False),
        (2, 2, False),  # everything is gone, but two are no sign of a broken network
        (3, 3, True),
        (3, 20, True),  # exactly 15 %
        (3, 21, False),
        (14, 100, False),
        (15, 100, True),
    ],
)
def test_both_limits_must_be_reached(expired: int, leases: int, active: bool) -> None:
    assert Preservation(expired, leases).is_active is active
    assert not Preservation(expired, leases, is_enabled=False).is_active


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Preservation(0, 0), ["Nobody is registered"]),
        (Preservation(0, 5), ["not active", "all 5 leases are renewed in time"]),
        (Preservation(1, 5), ["not active", "1 of 5 leases (20%)", "3 leases and 15%"]),
        (Preservation(4, 10), ["is ON", "4 of 10 leases (40%)", "3 leases and 15%", "broken network"]),
        (Preservation(4, 10, is_enabled=False), ["switched off", "4 of 10"]),
    ],
)
def test_it_explains_itself_in_words_with_its_numbers(verdict: Preservation, words: list[str]) -> None:
    text = verdict.explain()
    assert [word for word in words if word not in text] == []
