"""Random histories: the registry keeps its invariants, and a client's copy converges on it.

TIDELOCK_TORTURE=1 tries 1,000 histories per rule.
"""

import os
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tidelock.discovery.codec import json
from tidelock.discovery.documents import Documents, Form
from tidelock.discovery.instance import Instance, Status, hashcode
from tidelock.discovery.lease import Moment
from tidelock.discovery.registry import Policy, Registry
from tidelock.discovery.replica import Replica

apps = st.sampled_from(["a", "B"])
ids = st.sampled_from(["1", "2", "3"])
statuses = st.sampled_from(Status)
EXAMPLES = 1000 if os.environ.get("TIDELOCK_TORTURE") else 300
Step = Callable[[Registry, Moment], object]


def registers(app: str, one: str, status: Status, dirty: int, override: Status) -> Step:
    instance = Instance(
        app=app,
        instance_id=one,
        host="h",
        ip="1",
        status=status,
        overridden=override,
        duration=60.0,
        last_dirty_timestamp=dirty,
    )
    return lambda registry, now: registry.register(instance, now)


steps = st.one_of(
    st.builds(registers, apps, ids, statuses, st.integers(1, 3), statuses),
    st.builds(lambda app, one: lambda registry, now: registry.renew(app, one, now), apps, ids),
    st.builds(lambda app, one: lambda registry, now: registry.cancel(app, one, now), apps, ids),
    st.builds(
        lambda app, one, status: lambda registry, now: registry.override(app, one, status, now),
        apps,
        ids,
        statuses,
    ),
    st.builds(
        lambda app, one, status: lambda registry, now: registry.remove_override(app, one, status, now),
        apps,
        ids,
        statuses,
    ),
    st.just(lambda registry, now: registry.evict(now)),
)
histories = st.lists(st.tuples(steps, st.floats(0, 100), st.booleans()), max_size=40)


@settings(max_examples=EXAMPLES)
@given(histories)
def test_a_copy_that_fetches_deltas_at_any_time_and_twice_agrees_with_the_registry(
    history: list[tuple[Step, float, bool]],
) -> None:
    registry = Registry(Policy(delta_retention=180.0))
    documents = Documents(registry)
    replica, now = Replica(only_up=False), 0.0
    for step, passes, fetches in history:
        now += passes
        moment = Moment(now, 1_700_000_000 + now)
        step(registry, moment)
        if not fetches:
            continue
        for _ in range(2):
            _, agrees = replica.merge(json.read_applications(documents.delta(Form.JSON, moment).body))
            if not agrees:
                replica.replace(json.read_applications(documents.everything(Form.JSON).body))
        assert replica.hashcode() == registry.hashcode()


@settings(max_examples=EXAMPLES)
@given(histories)
def test_a_copy_that_fetches_within_the_retention_is_equal_without_a_full_fetch(
    history: list[tuple[Step, float, bool]],
) -> None:
    registry, replica = Registry(Policy(delta_retention=180.0)), Replica(only_up=False)
    documents = Documents(registry)
    for number, (step, _, _) in enumerate(history):
        moment = Moment(float(number), 1_700_000_000.0 + number)
        step(registry, moment)
        if number % 3 == 0:
            replica.merge(json.read_applications(documents.delta(Form.JSON, moment).body))
    end = Moment(100.0, 1_700_000_100.0)
    _, agrees = replica.merge(json.read_applications(documents.delta(Form.JSON, end).body))
    assert agrees
    ours = {app: {one.instance_id: one.status for one in replica.instances(app)} for app in ("A", "B")}
    theirs = {app: {one.instance_id: one.status for one in registry.application(app)} for app in ("A", "B")}
    assert ours == theirs


@given(histories)
def test_the_registry_keeps_its_invariants(history: list[tuple[Step, float, bool]]) -> None:
    registry, now = Registry(), 0.0
    for step, passes, _ in history:
        now += passes
        before = registry.version, registry.hashcode()
        step(registry, Moment(now, 1_700_000_000 + now))
        if registry.version == before[0]:
            assert registry.hashcode() == before[1]
        found = registry.applications()
        assert all(found.values())
        assert registry.hashcode() == hashcode(one.status for group in found.values() for one in group)
        keys = [(one.app, one.instance_id) for one in registry.delta(Moment(now, 0))]
        assert len(keys) == len(set(keys))
