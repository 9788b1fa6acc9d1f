from typing import Any

import msgspec

from tests.unit.discovery.making import an_instance
from tidelock.discovery.codec.fields import Applications
from tidelock.discovery.instance import Action, Instance, Status, hashcode
from tidelock.discovery.replica import Replica


def document(*instances: Instance, whole: str | None = None) -> Applications:
    grouped: dict[str, list[Instance]] = {}
    for instance in instances:
        grouped.setdefault(instance.app, []).append(instance)
    return Applications(hashcode(one.status for one in instances) if whole is None else whole, grouped)


def changed(instance: Instance, **changes: Any) -> Instance:
    return msgspec.structs.replace(instance, **changes)


A, B = an_instance(instance_id="a"), an_instance(instance_id="b")
USER = an_instance("users", "u")


def test_a_full_document_replaces_everything_and_tells_what_changed() -> None:
    replica = Replica()
    assert replica.replace(document(A, USER)) == {"ORDERS", "USERS"}
    assert replica.replace(document(A, USER)) == frozenset()
    assert replica.replace(document(A, B)) == {"ORDERS", "USERS"}
    assert (replica.instances("orders"), replica.instances("users")) == ((A, B), ())
    assert replica.applications() == ("ORDERS",)


def test_look_ups_ignore_case_and_give_the_same_tuple_until_something_changes() -> None:
    replica = Replica()
    replica.replace(document(A))
    before = replica.instances("orders")
    replica.merge(document(changed(A, last_renewal_timestamp=9, action=Action.MODIFIED)))
    assert replica.instances("ORDERS") is replica.instances("Orders") is before


def test_only_up_instances_are_called_unless_configured_otherwise() -> None:
    down = changed(B, status=Status.OUT_OF_SERVICE)
    replica, every = Replica(), Replica(only_up=False)
    for one in (replica, every):
        one.replace(document(A, down))
        assert one.hashcode() == "OUT_OF_SERVICE_1_UP_1_"
    assert replica.instances("orders") == (A,)
    assert every.instances("orders") == (A, down)


def test_a_delta_adds_changes_and_deletes() -> None:
    replica = Replica()
    replica.replace(document(A))
    delta = document(B, changed(A, status=Status.DOWN, action=Action.MODIFIED), USER, whole="DOWN_1_UP_2_")
    assert replica.merge(delta) == ({"ORDERS", "USERS"}, True)
    assert replica.merge(delta) == (frozenset(), True)  # the same again changes nothing
    gone = document(changed(B, action=Action.DELETED), whole="DOWN_1_UP_1_")
    assert replica.merge(gone) == ({"ORDERS"}, True)
    assert replica.instances("orders") == ()
    assert replica.applications() == ("ORDERS", "USERS")


def test_a_missed_change_shows_in_the_hash() -> None:
    replica = Replica()
    replica.replace(document(A))
    assert replica.merge(document(whole="UP_2_")) == (frozenset(), False)


def test_a_change_that_callers_care_about_is_told() -> None:
    replica = Replica()
    replica.replace(document(A))
    for change in (
        {"port": 81},
        {"metadata": {"v": "2"}},
        {"status": Status.DOWN},
        {"last_dirty_timestamp": 5},
    ):
        assert replica.merge(document(changed(A, **change), whole=""))[0] == {"ORDERS"}
        replica.replace(document(A))
