import pytest

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.codec import json
from tidelock.discovery.documents import Documents, Form
from tidelock.discovery.instance import Status
from tidelock.discovery.registry import Policy, Registry

KEY = ("ORDERS", "h:orders:80")


def documents() -> Documents:
    registry = Registry(Policy(delta_retention=180.0))
    registry.register(an_instance(vip="orders", secure_vip="orders"), at(0))
    return Documents(registry)


@pytest.mark.parametrize("form", Form)
def test_a_document_is_built_once_per_change(form: Form) -> None:
    made = documents()
    first = made.everything(form)
    made.registry.renew(*KEY, at(1))
    assert made.everything(form) is first
    made.registry.override(*KEY, Status.DOWN, at(2))
    assert made.everything(form) is not first
    assert made.application("orders", form) is made.application("ORDERS", form)
    assert made.vip("orders", form, is_secure=False) is made.vip("orders", form, is_secure=False)


def test_forms_and_kinds_do_not_mix() -> None:
    made = documents()
    made.registry.update_metadata(*KEY, {"a": "b"}, at(0))  # version 2; a full document always says 1
    bodies = [made.everything(form).body for form in Form] + [made.delta(form, at(0)).body for form in Form]
    bodies += [made.application("orders", form).body for form in Form]  # type: ignore[union-attr]  # there
    bodies += [made.vip("orders", form, is_secure=False).body for form in Form]
    assert len(set(bodies)) == len(bodies)


def test_the_delta_forgets_in_time_although_nothing_changes() -> None:
    made = documents()
    assert json.read_applications(made.delta(Form.JSON, at(0)).body).instances
    assert made.delta(Form.JSON, at(180)) is made.delta(Form.JSON, at(180))
    assert json.read_applications(made.delta(Form.JSON, at(180.5)).body).instances == {}
    made.registry.override(*KEY, Status.DOWN, at(200))
    assert json.read_applications(made.delta(Form.JSON, at(200)).body).instances


def test_names_that_nobody_has_take_no_memory() -> None:
    made = documents()
    for number in range(100):
        assert made.application(f"a{number}", Form.JSON) is None
        made.vip(f"v{number}", Form.JSON, is_secure=True)
    assert made._packed == {}
