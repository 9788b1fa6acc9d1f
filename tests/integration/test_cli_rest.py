"""Commands that speak REST, against a small HTTP server that answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tidelock.cli.main import main


class Server:
    """Answers (method, path) with (status, document); remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                owner.asked.append((self.command, self.path, body))
                missing = (404, {"error_code": 404, "message": f"{self.path} not found"})
                status, document = owner.answers.get((self.command, self.path), missing)
                data = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                """Stay quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    one = Server()
    thread = threading.Thread(target=one.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("TIDELOCK_CONNECT_URL", one.url)
    monkeypatch.setenv("TIDELOCK_REGISTRY_URL", one.url)
    yield one
    one.http.shutdown()
    thread.join()
    one.http.server_close()


STATUS = {
    "name": "sink",
    "type": "sink",
    "connector": {"state": "RUNNING", "worker_id": "w:8083"},
    "tasks": [
        {"id": 0, "state": "RUNNING", "worker_id": "w:8083"},
        {"id": 1, "state": "FAILED", "worker_id": "w:8083", "trace": "DataError: no schema\n  at x\n"},
    ],
}
CONFIG = {"name": "sink", "connector.class": "FileStreamSink", "topics": "orders"}


def test_ls_reads_one_document(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    expanded = {"sink": {"status": STATUS, "info": {"config": CONFIG}}}
    server.answers["GET", "/connectors?expand=status&expand=info"] = (200, expanded)
    assert main(["connect", "ls"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t") == [
        "sink",
        "sink",
        "RUNNING",
        "1 FAILED, 1 RUNNING",
        "FileStreamSink",
    ]
    assert main(["connect", "ls", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["failed"] is True


def test_status_of_a_failed_task_is_exit_code_1_with_the_reason(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET", "/connectors/sink/status"] = (200, STATUS)
    assert main(["connect", "status", "sink"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "task 1: DataError: no schema\n"
    assert "1\tFAILED\tw:8083" in shown.out
    assert main(["connect", "status", "sink", "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == STATUS


def test_watching_shows_a_row_per_task_and_look(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    task = {"id": 0, "state": "RUNNING", "records": 7, "rate": 2.5, "lag_records": 3, "restarts": 0}
    server.answers["GET", "/connectors/sink/progress"] = (200, {"name": "sink", "tasks": [task]})
    line = ["connect", "status", "sink", "--watch", "--count", "2", "--interval", "0.1"]
    assert main([*line, "-o", "jsonl"]) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert len(rows) == 2
    assert (rows[0]["task"], rows[0]["rate"], rows[0]["lag_records"]) == (0, 2.5, 3)
    assert rows[0]["eta_seconds"] is None  # what a task has not told
    assert main(line) == 0
    assert capsys.readouterr().out.splitlines()[0].split("\t")[:3] == ["0", "RUNNING", "7"]


def test_a_name_is_quoted_in_the_path(server: Server) -> None:
    assert main(["connect", "status", "a b/c"]) == 4
    assert server.asked[-1][1] == "/connectors/a%20b%2Fc/status"


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (["pause", "a", "b"], [("PUT", "/connectors/a/pause"), ("PUT", "/connectors/b/pause")]),
        (["resume", "a"], [("PUT", "/connectors/a/resume")]),
        (["restart", "a"], [("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=false")]),
        (
            ["restart", "a", "--only-failed"],
            [("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=true")],
        ),
        (["restart", "a", "--task", "3"], [("POST", "/connectors/a/tasks/3/restart")]),
        (["delete", "a", "--yes"], [("DELETE", "/connectors/a")]),
    ],
)
def test_verbs_are_requests(server: Server, line: list[str], asked: list[tuple[str, str]]) -> None:
    for one in asked:
        server.answers[one] = (204, None)
    assert main(["connect", *line]) == 0
    assert [(method, path) for method, path, _ in server.asked] == asked


def test_delete_wants_a_confirmation(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", "delete", "a"]) == 5
    assert "add --yes" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(("status", "code"), [(404, 4), (409, 6), (400, 2), (422, 2), (500, 1), (503, 1)])
def test_refusals_have_exit_codes_and_the_servers_words(
    server: Server, capsys: pytest.CaptureFixture[str], status: int, code: int
) -> None:
    server.answers["PUT", "/connectors/a/pause"] = (status, {"error_code": status, "message": "because of x"})
    assert main(["connect", "pause", "a"]) == code
    assert "because of x" in capsys.readouterr().err


def test_nobody_there(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    gone = Server()
    gone.http.server_close()
    assert main(["connect", "ls", "--connect-url", gone.url]) == 3
    assert "do: tidelock up connect" in capsys.readouterr().err
    assert main(["service", "ls", "--registry-url", gone.url]) == 3
    assert "do: tidelock up registry" in capsys.readouterr().err
    assert main(["connect", "ls", "--connect-url", "localhost:8083"]) == 2


class TestApply:
    """`connect apply`: checked first, then changed, and only what differs."""

    VALIDATE = ("PUT", "/connector-plugins/FileStreamSink/config/validate")

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "sink.json"
        path.write_text(json.dumps({"name": "sink", "config": CONFIG}))
        return path

    def result(self, capsys: pytest.CaptureFixture[str]) -> Any:
        return json.loads(capsys.readouterr().out)[0]["result"]

    def test_created_updated_unchanged(
        self, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.answers[self.VALIDATE] = (200, {"configs": []})
        server.answers["PUT", "/connectors/sink/config"] = (201, {})
        assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
        assert self.result(capsys) == "created"
        assert server.asked[-1] == ("PUT", "/connectors/sink/config", CONFIG)
        server.answers["GET", "/connectors/sink/config"] = (200, {**CONFIG, "topics": "old"})
        assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
        assert self.result(capsys) == "updated"
        server.answers["GET", "/connectors/sink/config"] = (200, CONFIG)
        server.asked.clear()
        assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
        assert self.result(capsys) == "unchanged"
        assert ("PUT", "/connectors/sink/config", CONFIG) not in server.asked

    def test_the_worker_says_whether_a_hidden_secret_is_another(
        self, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wanted = {**CONFIG, "connection.password": "hunter2"}
        file.write_text(json.dumps({"name": "sink", "config": wanted}))
        shown = {**wanted, "connection.password": "[hidden]"}
        server.answers[self.VALIDATE] = (200, {"configs": []})
        server.answers["GET", "/connectors/sink/config"] = (200, shown)
        server.answers["PUT", "/connectors/sink/config"] = (200, {})
        compare = ("PUT", "/connectors/sink/config/compare")
        for changed, result in (([], "unchanged"), (["connection.password"], "updated")):
            server.answers[compare] = (200, {"changed": changed})
            assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
            captured = capsys.readouterr()
            assert json.loads(captured.out)[0]["result"] == result
            assert "hunter2" not in captured.out + captured.err
        del server.answers[compare]  # a worker that cannot say it
        assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
        assert self.result(capsys) == "updated"

    def test_a_dry_run_changes_nothing(
        self, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.answers[self.VALIDATE] = (200, {"configs": []})
        assert main(["connect", "apply", "-f", str(file), "--dry-run", "-o", "json"]) == 0
        assert self.result(capsys) == "created (dry run)"
        assert all("/connectors/sink/config" not in path or how == "GET" for how, path, _ in server.asked)

    def test_keys_that_nobody_reads_are_warnings(
        self, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        unknown = {"key": "task.max", "why": "is not a known key", "nearest": "tasks.max"}
        server.answers[self.VALIDATE] = (200, {"configs": []})
        server.answers["PUT", "/connector-plugins/FileStreamSink/config/unknown"] = (
            200,
            {"unknown": [unknown]},
        )
        server.answers["PUT", "/connectors/sink/config"] = (201, {})
        assert main(["connect", "apply", "-f", str(file), "-o", "json"]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)[0]["result"] == "created"
        told = "Warning: connector sink: task.max: is not a known key; did you mean tasks.max?"
        assert captured.err.strip() == told

    def test_all_problems_are_shown_and_nothing_changes(
        self, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        problems = [
            {"value": {"name": name, "errors": [f"{name} is wrong"]}}
            for name in ("file", "topics", "tasks.max")
        ]
        server.answers[self.VALIDATE] = (200, {"configs": problems})
        assert main(["connect", "apply", "-f", str(file)]) == 2
        shown = capsys.readouterr().err
        assert "3 problems in the configuration of connector 'sink'" in shown
        assert "  - tasks.max: tasks.max is wrong" in shown
        assert all(path != "/connectors/sink/config" or how == "GET" for how, path, _ in server.asked)


def test_service_ls_reads_eurekas_document(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    instance = {
        "instanceId": "one",
        "app": "ORDER-SERVICE",
        "hostName": "127.0.0.1",
        "ipAddr": "127.0.0.1",
        "status": "UP",
        "port": {"$": 8081, "@enabled": "true"},
        "dataCenterInfo": {"name": "MyOwn"},
    }
    document = {
        "applications": {
            "versions__delta": "1",
            "apps__hashcode": "UP_1_",
            "application": [{"name": "ORDER-SERVICE", "instance": [instance]}],
        }
    }
    server.answers["GET", "/eureka/apps"] = (200, document)
    assert main(["service", "ls"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "ORDER-SERVICE\tone\tUP\t127.0.0.1:8081"
    assert main(["service", "ls", "order-service", "-o", "name"]) == 0
    assert capsys.readouterr().out == "one\n"
    assert main(["service", "ls", "other"]) == 4
