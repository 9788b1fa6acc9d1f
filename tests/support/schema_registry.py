"""A schema registry as small as the tests need it: real HTTP on loopback, schemas in memory.

Source: Confluent Schema Registry API reference.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

Answer = tuple[int, Any]


class SchemaRegistryServer:
    """Answers as Confluent's; what is not compatible is told by the test.

    Attributes:
        subjects: subject -> ids, in the order of their versions.
        asked: (method, path) of every request.
        incompatible: subjects that refuse a further schema.
        user: USER:PASSWORD that must be given; None: anybody may come in.
        failing: status that every request gets instead of an answer.
    """

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[tuple[str, str]] = []
        self.incompatible: set[str] = set()
        self.user: str | None = None
        self.failing: int | None = None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else {}
                status, document = owner.answer(
                    self.command, self.path, body, self.headers.get("Authorization")
                )
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, format: str, *args: object) -> None:
                """Stay quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, method: str, path: str, body: dict[str, Any], authorization: str | None) -> Answer:
        self.asked.append((method, path))
        if self.failing is not None:
            return self.failing, {"error_code": self.failing, "message": "out of order"}
        if self.user is not None:
            wanted = f"Basic {base64.b64encode(self.user.encode()).decode()}"
            if authorization != wanted:
                return 401, {"error_code": 401, "message": "Unauthorized"}
        parts = [unquote(one) for one in urlsplit(path).path.strip("/").split("/")]
        if parts[:2] == ["schemas", "ids"]:
            number = int(parts[2])
            if not 0 < number <= len(self.schemas):
                return 404, {"error_code": 40403, "message": "Schema not found"}
            return 200, self.schemas[number - 1]
        if parts[0] == "compatibility":
            return 200, {"is_compatible": parts[2] not in self.incompatible, "messages": ["a field is gone"]}
        return self._of_subject(method, parts[1], parts[2:], body)

    def _of_subject(self, method: str, subject: str, rest: list[str], body: dict[str, Any]) -> Answer:
        if method == "POST" and rest == ["versions"]:
            return self.register(subject, body)
        versions = self.subjects.get(subject)
        if versions is None:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if method == "POST":
            for version, number in enumerate(versions, 1):
                if self.schemas[number - 1] == body:
                    return 200, {"subject": subject, "version": version, "id": number, **body}
            return 404, {"error_code": 40403, "message": "Schema not found"}
        version = len(versions) if rest[1] == "latest" else int(rest[1])
        number = versions[version - 1]
        return 200, {"subject": subject, "version": version, "id": number, **self.schemas[number - 1]}

    def register(self, subject: str, body: dict[str, Any]) -> Answer:
        """Take a schema; `body` as it is posted."""
        versions = self.subjects.get(subject, [])
        if body in self.schemas:
            number = self.schemas.index(body) + 1
        elif subject in self.incompatible and versions:
            text = "Schema being registered is incompatible with an earlier schema\n details"
            return 409, {"error_code": 409, "message": text}
        else:
            self.schemas.append(body)
            number = len(self.schemas)
        if number not in versions:
            self.subjects[subject] = [*versions, number]
        return 200, {"id": number}


@pytest.fixture
def registry() -> Iterator[SchemaRegistryServer]:
    """A registry that is stopped at the end."""
    one = SchemaRegistryServer()
    thread = threading.Thread(target=one.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one
    one.http.shutdown()
    thread.join()
    one.http.server_close()


def is_wire(payload: bytes | None, number: int) -> bool:
    """Whether a payload begins with a schema's id."""
    return (
        payload is not None and re.match(b"\\x00" + number.to_bytes(4, "big"), payload, re.DOTALL) is not None
    )
