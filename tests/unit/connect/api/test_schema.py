from tidelock.connect.api import DECIMAL, Schema, Type


def test_fields_keep_their_order_and_are_found_by_name() -> None:
    schema = Schema.struct({"b": Schema.int32(), "a": Schema.string(optional=True)}, name="pair")
    assert schema.field_names == ("b", "a")
    field = schema.field("a")
    assert field is not None
    assert (field.index, field.schema.type, field.schema.optional) == (1, Type.STRING, True)
    assert schema.field("c") is None


def test_equal_parts_make_equal_schemas_with_equal_hashes() -> None:
    one, other = (Schema.struct({"price": Schema.decimal(2)}, version=3) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Schema.struct({"price": Schema.decimal(3)}, version=3)


def test_a_decimal_schema_knows_its_scale() -> None:
    schema = Schema.decimal(4, optional=True)
    assert (schema.name, schema.type, schema.scale, schema.parameters) == (
        DECIMAL,
        Type.BYTES,
        4,
        {"scale": "4"},
    )


def test_a_changed_copy_keeps_the_rest() -> None:
    schema = Schema.struct({"id": Schema.int64()}, name="row")
    changed = schema.with_(optional=True)
    assert changed.optional
    assert changed.field_names == ("id",)
    assert not schema.optional
