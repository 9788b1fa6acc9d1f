"""What user-service and order-service agree on: the only file that the two share.

One interface is both sides: user-service calls it (`connect(Orders)`), order-service implements it
(`class OrderDesk(Orders)`).
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from tidelock.http import api, get, post


class Line(msgspec.Struct):
    """One line of an order; a negative quantity takes goods back."""

    stock_code: str
    description: str | None
    quantity: int
    unit_price: Decimal
    at: datetime


class Order(msgspec.Struct):
    """An order as it is posted."""

    invoice_no: str
    customer_id: int | None
    country: str
    lines: list[Line]


class Stored(msgspec.Struct):
    """Where an order was stored; `is_new` is False when that instance had it already."""

    invoice_no: str
    instance: str
    is_new: bool


class Count(msgspec.Struct):
    """How many orders one instance knows."""

    instance: str
    orders: int


@api("order-service", path="/orders", timeout=10.0)
class Orders:
    """The orders of all customers."""

    @post()
    async def place(self, order: Order) -> Stored:
        """Store an order; placing the same invoice again at the same instance changes nothing."""
        raise NotImplementedError

    @get("/count")
    async def count(self, customer: int | None = None) -> Count:
        """Count a customer's orders, or everybody's, as this instance sees them."""
        raise NotImplementedError
