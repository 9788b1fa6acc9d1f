"""`register`: applications announce themselves to a real registry while uvicorn serves them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import fastapi
import pytest
import uvicorn
from starlette.applications import Starlette

from tests.engines.kafka import free_port
from tests.support.flavours import Flavour
from tests.support.waiting import eventually_async
from tidelock import http, observe
from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.server import RegistryServer
from tidelock.discovery.settings import DiscoverySettings, InstanceSettings, RegistrySettings
from tidelock.http import telling
from tidelock.http.local import LocalFirst
from tidelock.http.serve import mount
from tidelock.runtime import SystemClock, bind_loopback, environment
from tidelock.web import Message, Receive, Scope, Send, send_reply


@http.api("hello-service")
class Hello:
    @http.get("/hello/{name}")
    async def hello(self, name: str) -> str:
        raise NotImplementedError


class HelloHere(Hello):
    async def hello(self, name: str) -> str:
        return f"hello {name}"


@contextlib.asynccontextmanager
async def registry() -> AsyncIterator[str]:
    server = RegistryServer(RegistrySettings(), bind_loopback(0, what="registry"))
    await server.start()
    try:
        yield f"{server.url}/eureka/"
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def served(app: Any, port_socket: Any) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # older versions
    task = asyncio.create_task(server.serve(sockets=[port_socket]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


def starlette_app() -> Any:
    app = Starlette()
    mount(app, HelloHere())
    return app


def fastapi_app() -> Any:
    app = fastapi.FastAPI()
    mount(app, HelloHere())
    return app


def bare_app() -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"  # no lifespan: uvicorn's own way to find out
        await send_reply(send, 200, b'"hello ann"', [(b"content-type", b"application/json")])

    return app


def bare_app_with_lifespan() -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                message: Message = await receive()
                assert message["type"] == f"lifespan.{kind}"
                await send({"type": f"lifespan.{kind}.complete"})
        else:
            await send_reply(send, 200, b'"hello ann"', [(b"content-type", b"application/json")])

    return app


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, bare_app, bare_app_with_lifespan])
def test_an_application_is_found_while_it_is_served(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE", "prometheus")

    async def run() -> None:
        async with registry() as url:
            sock = bind_loopback(0)
            port = sock.getsockname()[1]
            app = http.register(make(), "hello-service", port=port, registry=url)
            observer = DiscoveryClient(DiscoverySettings(service_url=(url,), registry_fetch_interval=0.05))
            await observer.start()

            async def known() -> Any:
                return observer.instances("hello-service")

            async def gone() -> bool:
                return not observer.instances("hello-service")

            async with served(app, sock):
                (instance,) = await eventually_async(known)
                assert instance.instance_id == f"127.0.0.1:hello-service:{port}"
                assert instance.health_check_url == f"http://127.0.0.1:{port}/actuator/health"
                variables = {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": url}
                source = LocalFirst(SystemClock(), variables)
                async with http.Client(source) as client:
                    assert await client.connect(Hello).hello("ann") == "hello ann"
                    health = await client.get("http://hello-service/actuator/health")
                    info = await client.get("http://hello-service/actuator/info")
                    figures = await client.get("http://hello-service/actuator/prometheus")
                    assert b"# TYPE tidelock_call_duration_seconds histogram" in figures.body
                    assert health.json() == {"status": "UP"}
                    assert info.json() == {
                        "app": {"name": "hello-service", "instanceId": instance.instance_id}
                    }
                await source.close()
            await eventually_async(gone)
            await observer.stop()

    asyncio.run(run())


def test_an_unhealthy_application_does_not_come_up() -> None:
    healthy = False

    async def health() -> bool:
        return healthy

    async def run() -> None:
        nonlocal healthy
        async with registry() as url:
            sock = bind_loopback(0)
            port = sock.getsockname()[1]
            settings = InstanceSettings(instance_id="me")
            app = http.register(
                starlette_app(), "hello-service", port=port, registry=url, health=health, instance=settings
            )
            observer = DiscoveryClient(
                DiscoverySettings(service_url=(url,), registry_fetch_interval=0.05, filter_only_up=False)
            )
            await observer.start()

            async def status() -> str | None:
                return next((each.status.value for each in observer.instances("hello-service")), None)

            async with served(app, sock), http.Client() as client:
                assert await eventually_async(status) == "STARTING"
                answer = await client.get(f"http://127.0.0.1:{port}/actuator/health")
                assert (answer.status, answer.json()) == (503, {"status": "STARTING"})
                healthy = True

                async def up() -> bool:
                    return await status() == "UP"

                await eventually_async(up)
            await observer.stop()

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["flask", "bare"])
def test_a_wsgi_application_is_found_while_its_process_lives(kind: str) -> None:
    async def run() -> None:
        async with registry() as url:
            port = free_port()
            observer = DiscoveryClient(DiscoverySettings(service_url=(url,), registry_fetch_interval=0.05))
            await observer.start()

            async def known() -> Any:
                return observer.instances("wsgi-service")

            async def gone() -> bool:
                return not observer.instances("wsgi-service")

            line = [sys.executable, "-m", "tests.integration.wsgi_service", kind, str(port), url]
            variables = {**environment(), "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE": "*"}
            process = await asyncio.create_subprocess_exec(*line, env=variables)
            try:
                (instance,) = await eventually_async(known, 30.0)
                source = LocalFirst(SystemClock(), {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": url})
                async with http.Client(source) as client:
                    assert (await client.get("http://wsgi-service/ann")).text == "/ann"
                    health = await client.get("http://wsgi-service/actuator/health")
                    info = await client.get("http://wsgi-service/actuator/info")
                    figures = await client.get("http://wsgi-service/actuator/prometheus")
                assert b"# TYPE tidelock_call_duration_seconds histogram" in figures.body
                assert health.json() == {"status": "UP"}
                assert info.json()["app"] == {"name": "wsgi-service", "instanceId": instance.instance_id}
                await source.close()
                process.terminate()
                await asyncio.wait_for(process.wait(), 30)
                await eventually_async(gone)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await observer.stop()

    asyncio.run(run())


def test_without_a_port_the_server_does_not_start_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PORT", raising=False)

    async def run() -> None:
        app = http.register(starlette_app(), "hello-service")
        config = uvicorn.Config(app, log_config=None, access_log=False)
        sock = bind_loopback(0)
        with pytest.raises(SystemExit):
            await uvicorn.Server(config).serve(sockets=[sock])
        sock.close()

    asyncio.run(run())
    assert "its port is not known" in caplog.text


def test_no_registry_at_all_is_said_in_the_error() -> None:
    async def run() -> None:
        source = LocalFirst(
            SystemClock(), {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": "http://127.0.0.1:9/eureka/"}
        )
        async with http.Client(source) as client:
            with pytest.raises(http.NoInstance, match="hello-service"):
                await client.connect(Hello).hello("ann")
        await source.close()

    asyncio.run(run())


def test_a_fixed_address_needs_no_registry() -> None:
    async def run() -> None:
        sock = bind_loopback(0)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        source = LocalFirst(SystemClock(), {"TIDELOCK_SERVICES_HELLO_SERVICE": url})
        async with served(starlette_app(), sock), http.Client(source) as client:
            assert await client.connect(Hello).hello("bob") == "hello bob"

    asyncio.run(run())


def test_a_registered_application_tells_whom_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "INTERVAL", 0.05)

    async def run() -> None:
        async with registry() as url:
            there, here = bind_loopback(0), bind_loopback(0)
            called = http.register(
                starlette_app(), "hello-service", port=there.getsockname()[1], registry=url
            )
            caller = http.register(starlette_app(), "front-service", port=here.getsockname()[1], registry=url)
            source = LocalFirst(SystemClock(), {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": url})
            async with served(called, there), served(caller, here), http.Client(source) as client:

                async def edges() -> set[tuple[str, str, str]]:
                    with contextlib.suppress(http.NoInstance):
                        await client.connect(Hello).hello("ann")
                    answer = await client.get(f"{url}calls")
                    found = {(one["caller"], one["callee"], one["method"]) for one in answer.json()["calls"]}
                    wanted = {("FRONT-SERVICE", "HELLO-SERVICE", "GET /hello/{name}")}
                    return found if wanted <= found else set()

                await eventually_async(edges)
            await source.close()

    asyncio.run(run())


@pytest.mark.parametrize("flavour", ["asyncio", "blocking"])
def test_a_call_that_looks_again_is_told_once(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str | None, int | None]] = []

    async def run() -> None:
        async with registry() as url:
            sock = bind_loopback(0)
            app = http.register(starlette_app(), "hello-service", port=sock.getsockname()[1], registry=url)
            monkeypatch.setenv("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", url)
            async with served(app, sock), Flavour(flavour).client() as client:
                hello = client.connect(Hello)

                async def answered() -> bool:
                    told.clear()
                    with contextlib.suppress(http.NoInstance):
                        return await hello.hello("ann") == "hello ann"
                    assert told == [("TID-401", None)]
                    return False

                await eventually_async(answered, interval=0.11)
                assert told == [(None, 200)]

    end = observe.subscribe(http.Called, lambda event: told.append((event.error, event.status)))
    try:
        asyncio.run(run())
    finally:
        end()
