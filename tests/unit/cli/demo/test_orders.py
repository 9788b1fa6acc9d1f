"""Orders files: what is read, what is refused and with which line; orders made up from a seed."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tidelock.cli.demo.orders import OrdersFileError, generate_orders, read_orders

HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
ROW = "1,A,Tea,2,2010-12-01 08:26:00,2.55,17850,Norway\n"


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def make(content: str | bytes, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def test_lines_of_an_invoice_need_not_be_adjacent(write) -> None:  # type: ignore[no-untyped-def]
    other = "2,B,Milk,1,12/1/2010 8:30,0.001,,Norway\n"
    book = read_orders(write(HEAD + ROW + other + ROW.replace("2.55", "-1")))
    assert [(order.invoice_no, order.line_count) for order in book.orders] == [("1", 2), ("2", 1)]
    assert book.line_count == 3
    assert book.total == Decimal("3.101")
    first = json.loads(book.orders[0].body)
    assert first["customer_id"] == 17850
    assert [line["unit_price"] for line in first["lines"]] == ["2.55", "-1"]
    assert json.loads(book.orders[1].body)["customer_id"] is None
    assert json.loads(book.orders[1].body)["lines"][0]["at"] == "2010-12-01T08:30:00"


def test_columns_are_found_by_name_and_others_are_ignored(write) -> None:  # type: ignore[no-untyped-def]
    shuffled = "X,Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo\n"
    book = read_orders(write(shuffled + "x,Norway,5.0,2,2010-12-01 08:26:00,3,,S,77\n"))
    assert book.orders[0].invoice_no == "77"
    assert book.orders[0].customer_id == 5


def test_a_gzipped_file_and_a_byte_order_mark_are_read(write) -> None:  # type: ignore[no-untyped-def]
    packed = gzip.compress(b"\xef\xbb\xbf" + (HEAD + ROW).encode())
    assert len(read_orders(write(packed, "orders.csv.gz")).orders) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: the file is empty"),
        (HEAD, "has no order lines"),
        ("InvoiceNo,Quantity\n1,2\n", "line 1: missing columns StockCode, Description, InvoiceDate"),
        (HEAD + ROW + ROW.replace(",2,2010", ",two,2010"), "line 3: Quantity 'two' is not a whole number"),
        (HEAD + ROW.replace("2.55", "cheap"), "line 2: UnitPrice 'cheap' is not a number"),
        (HEAD + ROW.replace("2.55", "NaN"), "line 2: UnitPrice 'NaN' is not a number"),
        (HEAD + ROW.replace("2.55", "1.23456"), "line 2: UnitPrice '1.23456' has more than 3 decimals"),
        (HEAD + ROW.replace("17850", "me"), "line 2: CustomerID 'me' is not a whole number"),
        (HEAD + ROW.replace("2010-12-01", "soon"), "line 2: InvoiceDate 'soon 08:26:00' is not a date"),
        (HEAD + ROW + "1,A\n", "line 3: 2 columns where 8 are needed"),
        (HEAD + ROW[1:], "line 2: InvoiceNo is empty"),
        (
            HEAD + ROW + ROW.replace("17850", "1"),
            "line 3: invoice 1 belongs to customer 17850 and to customer 1",
        ),
        (HEAD + '1,"A\n', "line 2: not a CSV row"),
        (HEAD.encode() + ROW.replace("Tea", "Café").encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_bad_file_is_one_sentence_with_the_line(write, content: str | bytes, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OrdersFileError) as caught:
        read_orders(write(content))
    assert says in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.exit_code == 2


def test_a_torn_gzip_file_and_a_missing_file_are_refused(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    packed = gzip.compress((HEAD + ROW * 5000).encode())
    with pytest.raises(OrdersFileError, match="cannot be read after line"):
        read_orders(write(packed[:-20], "torn.csv.gz"))
    with pytest.raises(OrdersFileError, match="cannot be read after line 0"):
        read_orders(write(b"plain", "plain.csv.gz"))
    with pytest.raises(OrdersFileError, match="there is no file"):
        read_orders(tmp_path / "absent.csv")
    with pytest.raises(OrdersFileError, match="cannot be read"):
        read_orders(tmp_path)


def test_the_same_seed_makes_the_same_orders() -> None:
    first, again, other = generate_orders(400, 7), generate_orders(400, 7), generate_orders(400, 8)
    assert [order.body for order in first.orders] == [order.body for order in again.orders]
    assert [order.body for order in first.orders] != [order.body for order in other.orders]
    assert first.line_count == sum(order.line_count for order in first.orders)
    assert any(order.line_count > 50 for order in first.orders)
    assert any(order.customer_id is None for order in first.orders)


def test_the_story_opens_with_the_first_customer_who_has_enough_orders() -> None:
    customer, orders = generate_orders(50, 1).opening(6)
    assert customer == 1
    assert len(orders) == 6
    assert all(order.customer_id == 1 for order in orders)


def test_a_small_book_opens_with_what_it_has(write) -> None:  # type: ignore[no-untyped-def]
    rows = [
        ROW.replace("1,", f"{number},", 1).replace("17850", owner) for number, owner in enumerate("121", 1)
    ]
    assert [order.invoice_no for order in read_orders(write(HEAD + "".join(rows))).opening(6)[1]] == [
        "1",
        "3",
    ]
    customer, orders = read_orders(write(HEAD + rows[0] + rows[1])).opening(6)
    assert (customer, len(orders)) == (None, 2)
