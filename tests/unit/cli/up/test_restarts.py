"""Restart delays: at once, then twice as long each time, capped; a good run starts over."""

from tidelock.cli.up.restarts import FIRST_DELAY, LONGEST_DELAY, RAN_WELL, Restarts


def test_delays_double_up_to_the_cap() -> None:
    restarts = Restarts(0.0)
    delays = []
    for second in range(12):
        delays.append(restarts.died(float(second)))
        restarts.restarted(float(second))
    assert delays[:4] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4, FIRST_DELAY * 8]
    assert delays[-1] == LONGEST_DELAY
    assert restarts.total == 12


def test_a_part_that_ran_well_starts_over() -> None:
    restarts = Restarts(0.0)
    restarts.died(1.0)
    restarts.restarted(2.0)
    assert restarts.died(2.0 + RAN_WELL) == FIRST_DELAY


def test_a_restart_is_due_after_its_delay_and_only_once() -> None:
    restarts = Restarts(0.0)
    assert not restarts.is_due(100.0)
    delay = restarts.died(100.0)
    assert not restarts.is_due(100.0 + delay / 2)
    assert restarts.is_due(100.0 + delay)
    restarts.restarted(100.0 + delay)
    assert not restarts.is_due(1000.0)
