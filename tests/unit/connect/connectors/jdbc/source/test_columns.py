"""From columns to a schema, and values to what it says."""

import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest

from tidelock.connect.api import ConnectError, Type
from tidelock.connect.connectors.jdbc.source.columns import Rules, Shape, instant, numeric_type
from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.sql.types import Column, ColumnType, Kind

SEOUL = zoneinfo.ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    ("mapping", "precision", "scale", "expected"),
    [
        ("none", 5, 0, None),
        ("precision_only", 2, 0, Type.INT8),
        ("precision_only", 4, 0, Type.INT16),
        ("precision_only", 9, 0, Type.INT32),
        ("precision_only", 18, 0, Type.INT64),
        ("precision_only", 19, 0, None),
        ("precision_only", 5, 2, None),
        ("best_fit", 5, 2, Type.FLOAT64),
        ("best_fit", 19, 2, None),
        ("best_fit_eager_double", 38, 2, Type.FLOAT64),
        ("best_fit_eager_double", 38, 0, None),
        ("best_fit", None, None, None),
    ],
)
def test_numeric_mapping(mapping: str, precision: int | None, scale: int | None, expected: Any) -> None:
    assert numeric_type(mapping, precision, scale) is expected


def test_instants() -> None:
    expected = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    for value in (
        "2024-01-02 12:04:05",
        "2024-01-02T03:04:05+00:00",
        1704164645000,
        dt.datetime.fromisoformat("2024-01-02 12:04:05"),
    ):
        assert instant(value, SEOUL) == expected
    with pytest.raises(TypeError):
        instant(b"x", SEOUL)


def shape(*columns: Column, numeric: str = "none", database: str = "postgresql") -> Shape:
    return Shape("t", columns, Rules(numeric, SEOUL, database))


def test_a_column_without_a_type_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    made = shape(
        Column("a", ColumnType(Kind.OTHER, declared="integer[]")), Column("b", ColumnType(Kind.INTEGER))
    )
    assert made.schema.field_names == ("b",)
    assert made.struct(([1], 2)).as_dict() == {"b": 2}
    assert "integer[]" in caplog.text


def test_decimals_become_what_the_mapping_says() -> None:
    column = Column("n", ColumnType(Kind.DECIMAL, precision=5, scale=2), nullable=False)
    assert shape(column).struct((Decimal("1.5"),))["n"] == Decimal("1.5")
    made = shape(column, numeric="best_fit")
    assert made.schema.fields[0].schema.type is Type.FLOAT64
    assert made.struct((Decimal("1.5"),)).as_dict() == {"n": 1.5}
    whole = Column("n", ColumnType(Kind.DECIMAL, precision=4, scale=0))
    assert shape(whole, numeric="precision_only").struct((Decimal(7),)).as_dict() == {"n": 7}


def test_data_that_a_type_does_not_hold_is_named() -> None:
    made = shape(Column("at", ColumnType(Kind.DATE)), database="sqlite")
    with pytest.raises(ConnectError, match="column 'at' holds str data"):
        made.struct(("yesterday",))
    negative = shape(Column("at", ColumnType(Kind.TIME)), database="mysql")
    assert negative.struct((dt.timedelta(hours=1),))["at"] == dt.time(1)
    with pytest.raises(ConnectError, match="no time of day"):
        negative.struct((dt.timedelta(hours=-1),))


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("connect_logical", dt.datetime(2024, 1, 2, 3, 4, 5, 6, dt.UTC)),
        ("micros_long", 1704164645000006),
        ("micros_string", "1704164645000006"),
        ("micros_iso_datetime_string", "2024-01-02T12:04:05.000006"),
        ("nanos_long", 1704164645000006000),
        ("nanos_string", "1704164645000006000"),
        ("nanos_iso_datetime_string", "2024-01-02T12:04:05.000006000"),
    ],
)
def test_timestamps_as_fine_as_wanted(granularity: str, expected: Any) -> None:
    column = Column("at", ColumnType(Kind.TIMESTAMP))
    made = Shape("t", [column], Rules("none", SEOUL, "postgresql", granularity))
    value = dt.datetime.fromisoformat("2024-01-02 12:04:05.000006")
    assert made.struct((value,))["at"] == expected
    assert made.schema.fields[0].schema.optional


def test_the_older_key_for_numbers_counts_where_the_newer_is_not_given() -> None:
    keys = {"connection.url": "sqlite://", "topic.prefix": "", "mode": "bulk"}
    old = {**keys, "numeric.precision.mapping": "true"}
    assert JdbcSourceSettings.parse(keys).numbers == "none"
    assert JdbcSourceSettings.parse(old).numbers == "precision_only"
    assert JdbcSourceSettings.parse({**old, "numeric.mapping": "best_fit"}).numbers == "best_fit"
