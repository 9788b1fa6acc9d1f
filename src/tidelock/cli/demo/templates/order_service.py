"""order-service: stores orders in a database of its own and tells the others through its outbox.

    ORDERS_NAME=order-service-1 ORDERS_DATABASE=one.db PORT=8001 python order_service.py

Each instance owns one SQLite file. An order, its lines and the events about it are written in ONE transaction;
the relay carries the events to the topic `orders` from there, in order, also after a crash. A long order
arrives in parts of `PART` lines: one event per part, all with the same key, so their order matters.

Without ORDERS_BROKER nothing is carried, and without ORDERS_COMMON_DATABASE an instance answers from what it
has itself: that is act 1 of the demo, the problem.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import sqlalchemy
import uvicorn
from orders_api import Count, Line, Order, Orders, Stored
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

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
  total decimal(18, 3) not null
);
create table if not exists order_lines (
  invoice_no varchar(20) not null, line_no integer not null, stock_code varchar(20) not null,
  description varchar(200), quantity integer not null, unit_price decimal(18, 3) not null,
  primary key (invoice_no, line_no)
);
"""
