"""A registered WSGI application, a process of its own: `wsgi_service flask|bare PORT REGISTRY`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import make_server

from tidelock import http


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def flask_app() -> Any:
    import flask

    app = flask.Flask("wsgi")
    app.add_url_rule("/<name>", "echo", lambda name: f"/{name}")
    return app


def main() -> None:
    kind, port, url = sys.argv[1:]
    app: Any = flask_app() if kind == "flask" else bare
    app = http.register(app, "wsgi-service", port=int(port), registry=url)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as a server's worker has it
    make_server("127.0.0.1", int(port), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
