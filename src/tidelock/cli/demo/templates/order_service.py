"""order-service: stores orders in a database of its own and tells the others through its outbox.

Each instance owns one SQLite file. An order, its lines and the events about it are written in ONE transaction;
the relay carries the events to the topic `orders` from there, in order, also after a crash. A long order
arrives in parts of `PART` lines: one event per part, all with the same key, so their order matters.

    ORDERS_NAME=order-service-1 ORDERS_DATABASE=one.db PORT=8001 python order_service.py

Without ORDERS_BROKER nothing is carried, and without ORDERS_COMMON_DATABASE an instance answers from what it
has itself: that is act 1 of the demo, the problem.
"""

import os
import sqlite3
from decimal import Decimal
from itertools import batched

import sqlalchemy
import uvicorn
from orders_api import Count, Line, Order, Orders, Stored
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidelock.http import mount, register
from tidelock.sync import Outbox, Relay

PART = 50
