"""Serves an implementation on each framework that `mount` knows, on a free port, in a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from tests.support.waiting import eventually
from tidelock.http.middleware import DeadlineMiddleware
from tidelock.http.serve import mount
from tidelock.runtime import bind_loopback

FRAMEWORKS = ("fastapi", "starlette", "litestar", "flask")


def application(framework: str, implementation: object) -> Any:
    """Return an application with the implementation mounted."""
    if framework == "fastapi":
        import fastapi

        app: Any = fastapi.FastAPI()
    elif framework == "starlette":
        import starlette.applications

        app = starlette.applications.Starlette()
    elif framework == "litestar":
        import litestar

        app = litestar.Litestar([], openapi_config=None)
    else:
        import flask

        app = flask.Flask("tests")
    mount(app, implementation)
    return app


@contextlib.contextmanager
def served(framework: str, implementation: object) -> Iterator[str]:
    """Serve; yields the URL."""
    app = application(framework, implementation)
    with _flask(app) if framework == "flask" else _asgi(app) as url:
        yield url


@contextlib.contextmanager
def _asgi(app: Any) -> Iterator[str]:
    sock = bind_loopback(0)
    config = uvicorn.Config(DeadlineMiddleware(app), log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def _flask(app: Any) -> Iterator[str]:
    import logging

    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
