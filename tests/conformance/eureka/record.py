"""Records the answers of a Java Eureka server into answers.json.

usage: python -m tests.conformance.eureka.record http://127.0.0.1:8761   (a fresh server, its
response-cache-update-interval-ms at 500)
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.conformance.eureka.exchanges import EXCHANGES, Exchange, normal

ANSWERS = Path(__file__).parent / "answers.json"
CACHE = 1.5
"""Seconds after which Java's response cache has been renewed."""


def ask(url: str, exchange: Exchange) -> tuple[int, str]:
    request = urllib.request.Request(
        url + exchange.path,
        method=exchange.method,
        headers=exchange.headers(),
        data=exchange.body.encode() if exchange.method == "POST" else None,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def main() -> None:
    recorded = []
    for exchange in EXCHANGES:
        if exchange.settle:
            time.sleep(CACHE)
        status, body = ask(sys.argv[1].rstrip("/"), exchange)
        recorded.append({"name": exchange.name, "status": status, "body": normal(body)})
    ANSWERS.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
