import pytest

from tidelock.connect.runtime.restart import RestartHistory, RestartPolicy
from tidelock.connect.runtime.settings import ConnectorSettings


@pytest.mark.parametrize(
    ("policy", "crashed", "restarts"),
    [
        ("never", True, False),
        ("never", False, False),
        ("crash", True, True),
        ("crash", False, False),
        ("always", True, True),
        ("always", False, True),
    ],
)
def test_the_policy_says_what_is_restarted(policy: str, crashed: bool, restarts: bool) -> None:
    _, delay = RestartHistory().ended(RestartPolicy(policy), 1.0, crashed=crashed)
    assert (delay is not None) is restarts


def test_the_pause_grows_to_its_limit_and_a_long_run_begins_anew() -> None:
    policy = RestartPolicy(delay=1.0, delay_max=5.0, reset=60.0)
    history, delays, now = RestartHistory(), [], 0.0
    for _ in range(5):
        history = history.started(now)
        history, delay = history.ended(policy, now + 1, crashed=True)
        delays.append(delay)
    assert delays == [1.0, 2.0, 4.0, 5.0, 5.0]
    history = history.started(100.0)
    history, delay = history.ended(policy, 160.0, crashed=True)
    assert delay == 1.0


def test_a_budget_ends() -> None:
    policy = RestartPolicy(max_attempts=2)
    history = RestartHistory().started(0.0)
    delays = []
    for _ in range(3):
        history, delay = history.ended(policy, 1.0, crashed=True)
        delays.append(delay is not None)
    assert delays == [True, True, False]


def test_it_is_read_from_the_connector() -> None:
    config = {
        "name": "c",
        "connector.class": "x",
        "errors.restart.policy": "always",
        "errors.restart.delay.ms": "500",
        "errors.restart.max.attempts": "3",
    }
    policy = RestartPolicy.of(ConnectorSettings.parse(config))
    assert (policy.policy, policy.delay, policy.max_attempts) == ("always", 0.5, 3)
