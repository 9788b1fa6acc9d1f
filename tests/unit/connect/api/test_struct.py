import datetime as dt
from decimal import Decimal

import pytest

from tidelock.connect.api import DataError, Schema, Struct, infer_schema, validate

ORDER = Schema.struct(
    {
        "id": Schema.int32(),
        "note": Schema.string(optional=True),
        "state": Schema.string(default="new"),
        "total": Schema.decimal(2),
        "lines": Schema.array(Schema.struct({"sku": Schema.string()}), optional=True),
    }
)


def order(**changes: object) -> Struct:
    return Struct(ORDER, {"id": 1, "total": Decimal("9.50"), **changes})


def test_an_absent_field_gets_its_default_and_a_null_stays_null() -> None:
    assert order()["state"] == "new"
    assert order(state=None)["state"] is None
    assert order()["note"] is None


def test_unknown_fields_are_refused_for_reading_and_writing() -> None:
    with pytest.raises(DataError, match="nope is not a valid field name"):
        order(nope=1)
    with pytest.raises(DataError, match="nope"):
        order()["nope"]
    assert order().get("nope", 7) == 7


def test_a_struct_turns_into_plain_values() -> None:
    line = Struct(ORDER.fields[4].schema.value_schema, {"sku": "A"})  # type: ignore[arg-type]  # it is an array
    assert order(lines=[line]).as_dict() == {
        "id": 1,
        "note": None,
        "state": "new",
        "total": Decimal("9.50"),
        "lines": [{"sku": "A"}],
    }


def test_a_fitting_struct_validates() -> None:
    validate(ORDER, order(note="x"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": None}, "null used for required field 'id'"),
        ({"id": 1 << 31}, "out of range"),
        ({"id": True}, "bool"),
        ({"id": "1"}, "str"),
        ({"note": 5}, "int"),
        ({"total": 9.5}, "float"),
        ({"total": Decimal("9.501")}, "scale 2"),
        ({"lines": [{"sku": "A"}]}, "dict"),
        ({"lines": "A"}, "str"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], why: str) -> None:
    with pytest.raises(DataError, match=why):
        validate(ORDER, order(**changes))


def test_plain_values_infer_their_schema() -> None:
    assert infer_schema(True) == Schema.boolean()
    assert infer_schema(5) == Schema.int64()
    assert infer_schema(Decimal("1.50")) == Schema.decimal(2)
    assert infer_schema(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == Schema.timestamp()
    assert infer_schema(dt.date(2020, 1, 1)) == Schema.date()
    assert infer_schema({"a": 1}) is None
