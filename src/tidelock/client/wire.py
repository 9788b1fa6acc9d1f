"""Kafka's protocol on asyncio, for what librdkafka does not offer: group membership of other protocol types.

A `Connection` sends requests and hands each answer to its caller; a `Cluster` knows the brokers, the leaders
and the group coordinators, and keeps a connection to each. No retries here: callers know what may be
repeated. TLS and SASL are those of `security`. A broker that ends sessions (connections.max.reauth.ms) ends
the connection; the next request makes another. Versions are the oldest that both Apache Kafka 4 and ours
speak and that carry what is needed. Imports protocol, errors and security.

Source: Kafka protocol; `org.apache.kafka.clients.NetworkClient`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Sequence
from typing import TypeVar

from tidelock.client.errors import BrokerUnreachable, LoginRefused
from tidelock.client.security import Security, login
from tidelock.errors import RemoteProtocolError
from tidelock.protocol.error_codes import error_for
from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from tidelock.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from tidelock.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from tidelock.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from tidelock.protocol.primitives import MalformedMessage, Message

CONNECT_TIMEOUT = 5.0
MAX_FRAME = 1 << 28
METADATA_VERSION, COORDINATOR_VERSION = 5, 2
HANDSHAKE_VERSION, AUTHENTICATE_VERSION = 1, 1
LOGIN_HINT = "see sasl.mechanism and sasl.jaas.config"
OPEN = Security()
GROUP, TRANSACTION = 0, 1
"""What a coordinator is of."""

Answer = TypeVar("Answer", bound=Message)


class Connection:
    """One connection to one broker; several requests may be on their way.

    Args:
        address: host:port, for errors.
        client_id: in the broker's logs.
        security: who logs in.
        tls: how it is encrypted; None: not at all.
    """

    def __init__(
        self,
        address: str,
        client_id: str,
        security: Security = OPEN,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self._client_id = client_id
        self._security, self._tls = security, tls
        self._next = 0
        self._waiting: dict[int, tuple[int, int, asyncio.Future[tuple[bytes, int]]]] = {}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._reading is not None and not self._reading.done()

    async def open(self) -> None:
        """Connect, and log in where that is wanted.

        Raises:
            BrokerUnreachable: nobody listens there, or not within 5 s.
            LoginRefused: one of the two does not accept the other's certificate, name or password.
        """
        host, _, port = self.address.rpartition(":")
        host = host.strip("[]")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                made = await asyncio.open_connection(host, int(port), limit=1 << 20, ssl=self._tls)
        except ssl.SSLCertVerificationError as error:
            raise LoginRefused(
                f"the broker's certificate is not accepted: {error.verify_message}",
                where=self.address,
                hint="see ssl.truststore.location, and that the certificate names the broker's host",
            ) from error
        except (OSError, TimeoutError, ValueError) as error:
            raise BrokerUnreachable(f"the broker does not answer: {error}", where=self.address) from error
        self._reader, self._writer = made
        self._reading = asyncio.create_task(self._read(self._reader), name=f"kafka {self.address}")
        if self._security.mechanism is not None:
            try:
                await self._login(self._security.mechanism)
            except BaseException:
                await self.close()
                raise

    async def _login(self, mechanism: str) -> None:
        hello = SaslHandshakeRequest(mechanism=mechanism)
        known = await self.call(hello, HANDSHAKE_VERSION, SaslHandshakeResponse, CONNECT_TIMEOUT)
        if known.error_code:
            raise LoginRefused(
                f"the broker does not log in with {mechanism}",
                where=self.address,
                hint=f"set sasl.mechanism to one of {', '.join(known.mechanisms)}",
            )
        steps = login(self._security, secrets.token_urlsafe(24))
        sent = next(steps)
        with contextlib.suppress(StopIteration):
            while True:
                request = SaslAuthenticateRequest(auth_bytes=sent)
                answer = await self.call(
                    request, AUTHENTICATE_VERSION, SaslAuthenticateResponse, CONNECT_TIMEOUT
                )
                if answer.error_code:
                    why = answer.error_message or "the login failed"
                    raise LoginRefused(
                        f"the broker refused the login: {why}", where=self.address, hint=LOGIN_HINT
                    )
                sent = steps.send(answer.auth_bytes)

    async def call(self, request: Message, version: int, kind: type[Answer], patience: float) -> Answer:
        """Send a request and return its answer.

        Args:
            request: the message.
            version: of its API.
            kind: class of the answer.
            patience: seconds for the answer; a connection that does not give one is closed.

        Raises:
            BrokerUnreachable: the connection is gone, or the answer does not come.
            RemoteProtocolError: the answer cannot be read.
        """
        writer = self._writer
        if writer is None or not self.is_open:
            raise BrokerUnreachable("the connection to the broker is closed", where=self.address)
        self._next = number = (self._next + 1) & 0x7FFFFFFF
        future: asyncio.Future[tuple[bytes, int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (request.API_KEY, version, future)
        writer.write(encode_request(request, version, number, self._client_id))
        try:
            async with asyncio.timeout(patience):
                body, at = await future
        except TimeoutError:
            await self.close()
            raise BrokerUnreachable(f"no answer within {patience:.0f} s", where=self.address) from None
        finally:
            self._waiting.pop(number, None)
        try:
            return kind.decode(body, version, at)[0]
        except MalformedMessage as error:
            await self.close()
            raise RemoteProtocolError(error.what, where=self.address) from error

    async def close(self) -> None:
        """Close; requests on their way fail with BrokerUnreachable."""
        reading, self._reading = self._reading, None
        if self._writer is not None:
            self._writer.close()
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
        self._fail("the connection to the broker was closed")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        why = "the broker closed the connection"
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
                if not 4 <= size <= MAX_FRAME:
                    why = f"an answer says it is {size} bytes long"
                    break
                self._take(await reader.readexactly(size))
        except (OSError, asyncio.IncompleteReadError):
            pass  # told below to whoever waits
        except MalformedMessage as error:
            why = error.what
        if self._writer is not None:
            self._writer.close()
        self._fail(why)

    def _take(self, body: bytes) -> None:
        number = int.from_bytes(body[:4], "big", signed=True)
        waiting = self._waiting.get(number)
        if waiting is None or waiting[2].done():
            return  # its caller has given up
        key, version, future = waiting
        _, at = read_response_header(body, key, version)
        future.set_result((body, at))

    def _fail(self, why: str) -> None:
        for _, _, future in self._waiting.values():
            if not future.done():
                future.set_exception(BrokerUnreachable(why, where=self.address))


class Cluster:
    """The brokers behind a list of addresses.

    Args:
        bootstrap: addresses, host:port by comma.
        client_id: in the brokers' logs.
        timeout: seconds for an ordinary answer.
        security: of each connection.

    Raises:
        ConfigError: a file of TLS cannot be used.
    """

    def __init__(
        self, bootstrap: str, client_id: str, *, timeout: float = 30.0, security: Security = OPEN
    ) -> None:
        self._security, self._tls = security, security.tls_context()
        self._bootstrap = [one.strip() for one in bootstrap.split(",") if one.strip()]
        self._client_id = client_id
        self.timeout = timeout
        self.id: str | None = None  # once metadata has told it
        self._addresses: dict[int, str] = {}
        self._connections: dict[tuple[str, str], Connection] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def metadata(self, topics: Sequence[str] = ()) -> dict[str, MetadataResponseTopic]:
        """Return what a broker knows of topics, and learn the brokers' addresses; no topic is made by it.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=name) for name in topics], allow_auto_topic_creation=False
        )
        failure: BrokerUnreachable | None = None
        for address in [*self._bootstrap, *self._addresses.values()]:
            try:
                connection = await self.connection(address)
                answer = await connection.call(request, METADATA_VERSION, MetadataResponse, self.timeout)
            except BrokerUnreachable as error:
                failure = error
                continue
            self.id = answer.cluster_id
            self._addresses = {broker.node_id: f"{broker.host}:{broker.port}" for broker in answer.brokers}
            return {topic.name: topic for topic in answer.topics if topic.name is not None}
        raise failure or BrokerUnreachable("bootstrap.servers names no broker", hint="set bootstrap.servers")

    async def node(self, number: int, purpose: str = "") -> Connection:
        """Return a connection to a broker; another one for each purpose, for requests that wait.

        Raises:
            BrokerUnreachable: nobody answers, or nobody knows that broker.
        """
        address = self._addresses.get(number)
        if address is None:
            await self.metadata()
            address = self._addresses.get(number)
        if address is None:
            raise BrokerUnreachable(f"the cluster has no broker {number} now")
        return await self.connection(address, purpose)

    async def any(self) -> Connection:
        """Return a connection to some broker that answers; one that has just started may know none yet."""
        await self.metadata()
        if not self._addresses:
            raise BrokerUnreachable("the cluster has no broker now")
        return await self.node(next(iter(self._addresses)))

    async def coordinator(self, name: str, kind: int = GROUP) -> Connection:
        """Return a connection to the coordinator of a group, for it alone, or of a transactional id.

        Raises:
            KafkaError: there is none yet; retriable.
            BrokerUnreachable: nobody answers.
        """
        asked = await self.any()
        request = FindCoordinatorRequest(key=name, key_type=kind)
        found = await asked.call(request, COORDINATOR_VERSION, FindCoordinatorResponse, self.timeout)
        where = f"group {name}" if kind == GROUP else f"transactional id {name}"
        if found.error_code:
            raise error_for(found.error_code, found.error_message, where=where)
        purpose = where if kind == GROUP else "transactions"
        return await self.connection(f"{found.host}:{found.port}", purpose)

    async def connection(self, address: str, purpose: str = "") -> Connection:
        """Return the open connection to an address for a purpose."""
        key = (address, purpose)
        async with self._locks.setdefault(key, asyncio.Lock()):
            connection = self._connections.get(key)
            if connection is None or not connection.is_open:
                connection = Connection(address, self._client_id, self._security, self._tls)
                await connection.open()
                self._connections[key] = connection
            return connection

    async def close(self) -> None:
        """Close every connection."""
        connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            await connection.close()
