"""What `bench.connect` moves: lines of text, and orders as JSON with their schema, as JVM producers do."""

from __future__ import annotations

import json
from collections.abc import Iterator

FIELDS = (
    ("id", "int64"),
    ("customer", "string"),
    ("address", "string"),
    ("amount", "double"),
    ("quantity", "int32"),
    ("status", "string"),
    ("paid", "boolean"),
)
TABLE = {
    "postgresql": "id BIGINT PRIMARY KEY, customer TEXT NOT NULL, address TEXT NOT NULL, "
    "amount DOUBLE PRECISION NOT NULL, quantity INT NOT NULL, status TEXT NOT NULL, paid BOOLEAN NOT NULL",
    "mariadb": "id BIGINT PRIMARY KEY, customer VARCHAR(100) NOT NULL, address VARCHAR(200) NOT NULL, "
    "amount DOUBLE NOT NULL, quantity INT NOT NULL, status VARCHAR(20) NOT NULL, paid BOOLEAN NOT NULL",
}


def schema(*names: str) -> str:
    """The envelope's schema of these fields, all where none is named."""
    fields = [
        {"type": kind, "optional": False, "field": name}
        for name, kind in FIELDS
        if not names or name in names
    ]
    return json.dumps({"type": "struct", "fields": fields, "optional": False, "name": "Order"})


KEY_SCHEMA, VALUE_SCHEMA = schema("id"), schema()


def line(number: int) -> str:
    """About 100 bytes."""
    return f"{number:08d} 주문 서울특별시 강남구 테헤란로, an order as a line {number * 7919 % 10**6:06d}"


def key(number: int) -> bytes:
    return f'{{"schema":{KEY_SCHEMA},"payload":{{"id":{number}}}}}'.encode()


def value(number: int, version: int) -> bytes:
    """An order; each version has other amounts."""
    payload = {
        "id": number,
        "customer": f"customer-{number % 9973}",
        "address": f"서울특별시 강남구 테헤란로 {number % 500}",
        "amount": number * 0.25 + version,
        "quantity": number % 10,
        "status": "PAID" if version % 2 else "SHIPPED",
        "paid": True,
    }
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f'{{"schema":{VALUE_SCHEMA},"payload":{text}}}'.encode()


def orders(count: int, version: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each order, ids ascending from 0."""
    return ((key(number), value(number, version)) for number in range(count))
