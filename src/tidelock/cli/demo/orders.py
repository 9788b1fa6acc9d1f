"""The orders that the demo replays: read from a real CSV file, or made up from a seed.

One invoice is one order with its lines; the lines of an invoice need not be adjacent, so a file is read
whole and checked whole before anything is started. An order is kept as the JSON text that is posted
(`Order.body`), not as objects: half a million lines then take some 60 MB.

A file has the columns InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID and
Country in any order, others are ignored; it may be gzipped. Whatever is wrong with it is one sentence with
the line number (OrdersFileError). This module may import nothing of the house but errors.
"""

from __future__ import annotations

import csv
import gzip
import random
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO

import msgspec

from tidelock.errors import UsageError

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
DATE_FORMATS = (
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
)  # the two spellings in which spreadsheets export this file
NO_LINES = "has no order lines"


class OrdersFileError(UsageError):
    """The file of orders cannot be replayed; the text names the line."""

    code = "TID-710"


@dataclass(frozen=True, slots=True)
class Order:
    """One order, ready to be posted."""

    invoice_no: str
    customer_id: int | None
    line_count: int
    body: bytes


@dataclass(slots=True)
class OrderBook:
    """All orders of one run and their sums, which the proof at the end is held against."""

    orders: list[Order]
    source: str
    line_count: int
    total: Decimal

    def opening(self, count: int) -> tuple[int | None, list[Order]]:
        """Return whose orders open the story, and those orders.

        The first customer who reaches `count` orders, else the one with the most; None, and the first orders
        of the book, where nobody has two.
        """
        found: dict[int, list[Order]] = {}
        for order in self.orders:
            if order.customer_id is not None:
                mine = found.setdefault(order.customer_id, [])
                mine.append(order)
                if len(mine) == count:
                    return order.customer_id, mine
        customer = max(found, key=lambda one: len(found[one]), default=None)
        if customer is None or len(found[customer]) < 2:
            return None, self.orders[:count]
        return customer, found[customer]


class _Line(msgspec.Struct):
    stock_code: str
    description: str | None
    quantity: int
    unit_price: Decimal
    at: datetime


@dataclass(slots=True)
class _Draft:
    """An order whose lines are still being collected."""

    customer_id: int | None
    country: str
    lines: list[bytes] = field(default_factory=list)

    def finish(self, invoice_no: str, encoder: msgspec.json.Encoder) -> Order:
        head = encoder.encode(
            {"invoice_no": invoice_no, "customer_id": self.customer_id, "country": self.country}
        )
        body = b'%b,"lines":[%b]}' % (head[:-1], b",".join(self.lines))
        return Order(invoice_no, self.customer_id, len(self.lines), body)


class _Collector:
    """Groups lines by invoice in the order in which invoices first appear."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}
        self._encoder = msgspec.json.Encoder(decimal_format="string")
        self._total = Decimal(0)
        self._lines = 0

    def add(self, invoice_no: str, customer_id: int | None, country: str, line: _Line) -> None:
        draft = self._drafts.get(invoice_no)
        if draft is None:
            draft = self._drafts[invoice_no] = _Draft(customer_id, country)
        elif draft.customer_id != customer_id:
            raise ValueError(
                f"invoice {invoice_no} belongs to customer {draft.customer_id} and to customer {customer_id}"
            )
        draft.lines.append(self._encoder.encode(line))
        self._lines += 1
        self._total += line.quantity * line.unit_price

    def book(self, source: str) -> OrderBook:
        orders = [draft.finish(number, self._encoder) for number, draft in self._drafts.items()]
        return OrderBook(orders, source, self._lines, self._total)


def read_orders(path: Path, *, progress: Callable[[int], None] = lambda lines: None) -> OrderBook:
    """Read and check a whole CSV file of order lines, gzipped or not.

    Args:
        path: the file; a name that ends in .gz is unpacked.
        progress: called now and then with the number of lines read.

    Raises:
        OrdersFileError: anything wrong with the file, with its line number where there is one.
    """
    collector = _Collector()
    number = 0
    try:
        with _open(path) as raw:
            reader = csv.reader(_decoded(raw), strict=True)
            try:
                picks = _header(next(reader, []))
                number = reader.line_num
                for row in reader:
                    number = reader.line_num
                    if row:
                        collector.add(*_parse(row, picks))
                    if number % 20_000 == 0:
                        progress(number)
            except csv.Error as error:
                number = reader.line_num
                raise ValueError(f"not a CSV row ({error})") from None
    except (ValueError, EOFError, zlib.error, OSError) as error:
        raise _as_file_error(path, number, error) from None
    book = collector.book(path.name)
    if not book.orders:
        raise OrdersFileError(f"{path.name} {NO_LINES} (line {max(number, 1)})", where=str(path))
    return book


def _as_file_error(path: Path, number: int, error: Exception) -> OrdersFileError:
    if isinstance(error, _Undecodable):
        return OrdersFileError(
            f"{path.name} line {error.line}: {error}",
            where=str(path),
            hint=f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv",
        )
    if isinstance(error, ValueError):
        return OrdersFileError(f"{path.name} line {max(number, 1)}: {error}", where=str(path))
    if isinstance(error, FileNotFoundError):
        return OrdersFileError(f"there is no file {path}", hint="check the path given to --orders")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OrdersFileError(f"{path.name} cannot be read after line {number}: {reason}", where=str(path))


class _Undecodable(ValueError):
    def __init__(self, line: int, byte: int) -> None:
        super().__init__(f"byte 0x{byte:02x} is not UTF-8")
        self.line = line


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _decoded(raw: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(raw, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _Undecodable(number, line[error.start]) from None
        yield text


def _header(row: list[str]) -> tuple[int, ...]:
    """Return where each column stands."""
    if not row:
        raise ValueError("the file is empty")
    names = [name.strip() for name in row]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    return tuple(names.index(name) for name in COLUMNS)


def _parse(row: list[str], picks: tuple[int, ...]) -> tuple[str, int | None, str, _Line]:
    try:
        invoice_no, stock, description, quantity, date, price, customer, country = (
            row[i].strip() for i in picks
        )
    except IndexError:
        raise ValueError(f"{len(row)} columns where {max(picks) + 1} are needed") from None
    if not invoice_no:
        raise ValueError("InvoiceNo is empty")
    line = _Line(stock, description or None, _whole(quantity, "Quantity"), _decimal(price), _date(date))
    return invoice_no, _customer(customer), country, line


def _whole(text: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{column} {text!r} is not a whole number") from None


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"UnitPrice {text!r} is not a number") from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"UnitPrice {text!r} is not a number")
    if exponent < -3:
        raise ValueError(f"UnitPrice {text!r} has more than 3 decimals")
    return value


def _customer(text: str) -> int | None:
    if not text:
        return None
    return _whole(text.removesuffix(".0"), "CustomerID")


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        for shape in DATE_FORMATS:
            try:
                return datetime.strptime(text, shape)  # noqa: DTZ007  # the file's times are local and have no zone
            except ValueError:
                continue
    raise ValueError(f"InvoiceDate {text!r} is not a date like 2010-12-01 08:26:00")


COUNTRIES = ("South Korea", "United Kingdom", "Germany", "France", "Japan")
GOODS = (
    "lantern",
    "tea set",
    "umbrella",
    "bunting",
    "hot water bottle",
    "문방사우",
    "찻잔 세트",
    "crème brûlée dish",
)


def generate_orders(count: int, seed: int) -> OrderBook:
    """Make up plausible orders: cancellations, unknown customers, long orders and exact prices included.

    Args:
        count: orders, >= 6.
        seed: the same seed gives the same orders.
    """
    rng = random.Random(seed)
    collector = _Collector()
    at = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001  # shop time, as in the real file
    for number in range(count):
        at += timedelta(seconds=rng.randrange(5, 90))
        cancelled = rng.random() < 0.08
        customer = 1 if number < 6 else (None if rng.random() < 0.15 else rng.randrange(1, 1 + count // 8))
        invoice_no = f"{'C' if cancelled else ''}{700001 + number}"
        country = rng.choice(COUNTRIES)
        for _ in range(rng.randrange(60, 180) if rng.random() < 0.03 else rng.randrange(1, 12)):
            price = Decimal(rng.randrange(10, 20_000)) / 100
            goods = rng.choice(GOODS)
            quantity = rng.randrange(1, 24) * (-1 if cancelled else 1)
            line = _Line(f"G{GOODS.index(goods):03}", goods, quantity, price, at)
            collector.add(invoice_no, customer, country, line)
    return collector.book(f"generated from seed {seed}")
