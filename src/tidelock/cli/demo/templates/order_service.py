"""order-service: stores orders in a database of its own and tells the others through its outbox.

    ORDERS_NAME=order-service-1 ORDERS_DATABASE=one.db PORT=8001 python order_service.py

Each instance owns one SQLite file. An order, its lines and its events are written in ONE transaction;
the relay carries the events to the topic `orders` from there, in order, also after a crash. A long order is
told in parts of `PART` lines: one event per part, all with the same key, so their order matters.

Without ORDERS_BROKER nothing is carried, and without ORDERS_COMMON_DATABASE an instance answers from what it
has itself: that is act 1 of the demo, the problem.
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from decimal import Decimal
from typing import Any

import sqlalchemy
import uvicorn
from orders_api import Count, Order, Orders, Stored
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidelock.connect.api import Schema
from tidelock.discovery.settings import InstanceSettings
from tidelock.http import mount, register
from tidelock.sync import Outbox, Relay

NAME = os.environ["ORDERS_NAME"]
PORT = int(os.environ["PORT"])
DATABASE = os.environ["ORDERS_DATABASE"]
BROKER = os.environ.get("ORDERS_BROKER")
COMMON_DATABASE = os.environ.get("ORDERS_COMMON_DATABASE")

PART = 50

TABLES = """
create table if not exists orders (
  invoice_no varchar(20) primary key, customer_id integer, country varchar(60) not null,
  invoice_date timestamp not null, line_count integer not null, quantity integer not null,
  total decimal_text(18, 3) not null  -- SQLite has no exact decimal: kept as text, not one digit is lost
);
create table if not exists order_lines (
  invoice_no varchar(20) not null, line_no integer not null, stock_code varchar(20) not null,
  description varchar(200), quantity integer not null, unit_price decimal_text(18, 3) not null,
  primary key (invoice_no, line_no)
);
"""

ORDER_EVENT = Schema.struct(
    {
        "invoice_no": Schema.string(),
        "customer_id": Schema.int64(optional=True),
        "country": Schema.string(),
        "invoice_date": Schema.timestamp(),
        "line_count": Schema.int32(),
        "quantity": Schema.int64(),
        "total": Schema.decimal(3),
    },
    name="Order",
)


class OrderDesk(Orders):
    """The interface of orders_api, over this instance's own database."""

    def __init__(self) -> None:
        self.database = sqlite3.connect(DATABASE)
        self.database.execute("pragma journal_mode = wal")  # the relay reads while we write
        self.database.execute("pragma synchronous = full")  # an order that was accepted survives a power cut
        self.database.executescript(TABLES)
        self.outbox = Outbox("sqlite", schemas={"orders": ORDER_EVENT})
        self.outbox.create_table(self.database)
        self.relay = Relay(f"sqlite:///{DATABASE}", BROKER) if BROKER else None
        self.common = sqlalchemy.create_engine(COMMON_DATABASE) if COMMON_DATABASE else None

    async def place(self, order: Order) -> Stored:
        """Store order, lines and events in one transaction, once."""
        with self.database:
            is_new = self.insert(order)
        if is_new and self.relay:
            self.relay.wake()
        return Stored(order.invoice_no, NAME, is_new)

    async def count(self, customer: int | None = None) -> Count:
        """Count in the common database once there is one, else in our own."""
        question = "select count(*) from orders"
        if customer is not None:
            question += f" where customer_id = {customer:d}"
        if self.common is None:
            found = self.database.execute(question).fetchone()[0]
        else:
            with self.common.connect() as connection:
                has_arrived = sqlalchemy.inspect(connection).has_table("orders")  # made by the first record
                found = connection.execute(sqlalchemy.text(question)).scalar() if has_arrived else 0
        return Count(NAME, found)

    def insert(self, order: Order) -> bool:
        """Write one order; False when it is here already."""
        row: dict[str, Any] = {
            "invoice_no": order.invoice_no,
            "customer_id": order.customer_id,
            "country": order.country,
            "invoice_date": order.lines[0].at.replace(tzinfo=UTC),
            "line_count": 0,
            "quantity": 0,
            "total": Decimal("0.000"),
        }
        try:
            self.write(
                "insert into orders values (:no, :customer, :country, :date, :lines, :quantity, :total)", row
            )
        except sqlite3.IntegrityError:
            if self.database.execute(
                "select 1 from orders where invoice_no = ?", (order.invoice_no,)
            ).fetchone():
                return False
            raise
        for begin in range(0, len(order.lines), PART):
            part = order.lines[begin : begin + PART]
            self.database.executemany(
                "insert into order_lines values (?, ?, ?, ?, ?, ?)",
                [
                    (
                        order.invoice_no,
                        begin + n,
                        line.stock_code,
                        line.description,
                        line.quantity,
                        str(line.unit_price),
                    )
                    for n, line in enumerate(part, start=1)
                ],
            )
            row["line_count"] += len(part)
            row["quantity"] += sum(line.quantity for line in part)
            row["total"] += sum(line.quantity * line.unit_price for line in part)
            event = "OrderAmended" if begin else "OrderPlaced"
            self.outbox.add(self.database, topic="orders", key=order.invoice_no, value=row, event=event)
        sums = "line_count = :lines, quantity = :quantity, total = :total"
        self.write(f"update orders set {sums} where invoice_no = :no", row)
        return True

    def write(self, statement: str, row: dict[str, Any]) -> None:
        """Run a statement on the columns of an order."""
        self.database.execute(
            statement,
            {
                "no": row["invoice_no"],
                "customer": row["customer_id"],
                "country": row["country"],
                "date": row["invoice_date"].strftime("%Y-%m-%d %H:%M:%S.%f"),
                "lines": row["line_count"],
                "quantity": row["quantity"],
                "total": f"{row['total']:.3f}",
            },
        )


desk = OrderDesk()


async def outbox(_: Request) -> JSONResponse:
    """GET /outbox: how many events wait here, and how the relay is doing."""
    if desk.relay is None:
        return JSONResponse({"waiting": 0, "relay": "none"})
    return JSONResponse({"waiting": desk.relay.lag(), "relay": desk.relay.status.state})


@asynccontextmanager
async def run_relay(_: Starlette) -> AsyncIterator[None]:
    """Start the relay with the service and stop it with it."""
    if desk.relay:
        desk.relay.start()
    yield
    if desk.relay:
        desk.relay.stop()


app = Starlette(routes=[Route("/outbox", outbox)], lifespan=run_relay)
mount(app, desk)

if __name__ == "__main__":
    lease = InstanceSettings(instance_id=NAME, renewal_interval=1.0, lease_duration=3.0)
    register(app, "order-service", port=PORT, instance=lease)
    uvicorn.run(app, port=PORT, log_level="warning", access_log=False)
