"""Which configuration keys a Kafka client may be given, in three spellings, and what librdkafka calls them.

Data only. Java's keys come from `ProducerConfig`, `ConsumerConfig` and `AdminClientConfig` of Kafka 4.3;
aiokafka's are Python arguments; librdkafka's own are passed through. A test asks librdkafka about each.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Java's name -> librdkafka's, value as it is. Keys that are called the same in both are in LIBRDKAFKA.
JAVA: dict[str, str] = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "compression.gzip.level": "compression.level",
    "compression.lz4.level": "compression.level",
    "compression.zstd.level": "compression.level",
    "sasl.mechanism": "sasl.mechanisms",
    "sasl.oauthbearer.client.credentials.client.id": "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.secret": "sasl.oauthbearer.client.secret",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "ssl.truststore.certificates": "ssl.ca.pem",
}

# aiokafka's name -> Java's or librdkafka's, where underscores for dots are not enough.
AIOKAFKA: dict[str, str] = {
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "sasl_kerberos_domain_name": "sasl.kerberos.principal",
    "max_batch_size": "batch.size",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
}

# What the Java client or aiokafka needs and librdkafka has no use for.
IGNORED: frozenset[str] = _words(
    """
    key.serializer value.serializer key.deserializer value.deserializer interceptor.classes
    config.providers metric.reporters metrics.num.samples metrics.recording.level
    metrics.sample.window.ms max.poll.records default.api.timeout.ms max.block.ms metadata.max.idle.ms
    partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms
    partitioner.ignore.keys exclude.internal.topics bootstrap.controllers
    internal.throw.on.fetch.stable.offset.unsupported socket.connection.setup.timeout.max.ms
    transaction.two.phase.commit.enable ssl.enabled.protocols ssl.protocol
    ssl.secure.random.implementation ssl.keymanager.algorithm ssl.trustmanager.algorithm
    sasl.kerberos.ticket.renew.jitter sasl.kerberos.ticket.renew.window.factor
    sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.refresh.buffer.seconds
    sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor
    sasl.login.refresh.window.jitter sasl.login.retry.backoff.max.ms sasl.login.retry.backoff.ms
    sasl.oauthbearer.clock.skew.seconds sasl.oauthbearer.expected.audience
    sasl.oauthbearer.expected.issuer sasl.oauthbearer.header.urlencode
    sasl.oauthbearer.jwks.endpoint.refresh.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms
    sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.url
    sasl.oauthbearer.scope.claim.name loop api.version consumer.timeout.ms send.backoff.ms
    """
)

# What cannot be carried over, and what to do instead.
_PYTHON = "is a Java class, which cannot run here"
REFUSED: dict[str, str] = {
    "ssl.engine.factory.class": _PYTHON,
    "ssl.provider": _PYTHON,
    "security.providers": _PYTHON,
    "sasl.login.class": _PYTHON,
    "sasl.client.callback.handler.class": _PYTHON,
    "sasl.oauthbearer.jwt.retriever.class": _PYTHON,
    "sasl.oauthbearer.jwt.validator.class": _PYTHON,
    "share.acquire.mode": "belongs to share groups, which are not supported",
    "ssl.context": "is a Python object; give ssl.ca.location, ssl.certificate.location and ssl.key.location",
    "sasl.oauth.token.provider": "is a Python object; give sasl.oauthbearer.token.endpoint.url",
}

# Keys whose value decides over others, converted in tidelock.client.settings.
CONVERTED: frozenset[str] = _words(
    """
    buffer.memory partitioner.class partition.assignment.strategy auto.offset.reset sasl.jaas.config
    ssl.endpoint.identification.algorithm ssl.check.hostname ssl.truststore.location
    ssl.truststore.type ssl.truststore.password ssl.keystore.location ssl.keystore.type
    ssl.keystore.password sasl.login.callback.handler.class
    """
)

LIBRDKAFKA: frozenset[str] = _words(
    """
    acks allow.auto.create.topics api.version.fallback.ms api.version.request
    api.version.request.timeout.ms auto.commit.interval.ms batch.num.messages batch.size
    bootstrap.servers broker.address.family broker.address.ttl broker.version.fallback check.crcs
    client.dns.lookup client.id client.rack compression.codec compression.level compression.type
    connections.max.idle.ms coordinator.query.interval.ms debug delivery.report.only.error
    delivery.timeout.ms enable.auto.commit enable.auto.offset.store enable.gapless.guarantee
    enable.idempotence enable.metrics.push enable.partition.eof enable.random.seed
    enable.sasl.oauthbearer.unsecure.jwt enable.sparse.connections enable.ssl.certificate.verification
    fetch.error.backoff.ms fetch.max.bytes fetch.message.max.bytes fetch.min.bytes
    fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id group.protocol
    group.protocol.type group.remote.assignor heartbeat.interval.ms isolation.level linger.ms
    log.connection.close log.queue log.thread.name log_level max.in.flight
    max.in.flight.requests.per.connection max.partition.fetch.bytes max.poll.interval.ms
    message.copy.max.bytes message.max.bytes message.send.max.retries message.timeout.ms
    metadata.broker.list metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms
    metadata.recovery.strategy partitioner plugin.library.paths queue.buffering.backpressure.threshold
    queue.buffering.max.kbytes queue.buffering.max.messages queue.buffering.max.ms
    queued.max.messages.kbytes queued.min.messages queuing.strategy receive.message.max.bytes
    reconnect.backoff.jitter.ms reconnect.backoff.max.ms reconnect.backoff.ms request.required.acks
    request.timeout.ms retries retry.backoff.max.ms retry.backoff.ms sasl.kerberos.keytab
    sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin sasl.kerberos.principal
    sasl.kerberos.service.name sasl.mechanism sasl.mechanisms sasl.oauthbearer.assertion.algorithm
    sasl.oauthbearer.assertion.claim.aud sasl.oauthbearer.assertion.claim.exp.seconds
    sasl.oauthbearer.assertion.claim.iss sasl.oauthbearer.assertion.claim.jti.include
    sasl.oauthbearer.assertion.claim.nbf.seconds sasl.oauthbearer.assertion.claim.sub
    sasl.oauthbearer.assertion.file sasl.oauthbearer.assertion.jwt.template.file
    sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase
    sasl.oauthbearer.assertion.private.key.pem sasl.oauthbearer.client.credentials.client.id
    sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.client.id
    sasl.oauthbearer.client.secret sasl.oauthbearer.config sasl.oauthbearer.extensions
    sasl.oauthbearer.grant.type sasl.oauthbearer.metadata.authentication.type sasl.oauthbearer.method
    sasl.oauthbearer.scope sasl.oauthbearer.sub.claim.name sasl.oauthbearer.token.endpoint.url
    sasl.password sasl.username security.protocol session.timeout.ms
    socket.connection.setup.timeout.ms socket.keepalive.enable socket.max.fails socket.nagle.disable
    socket.receive.buffer.bytes socket.send.buffer.bytes socket.timeout.ms ssl.ca.certificate.stores
    ssl.ca.location ssl.ca.pem ssl.certificate.location ssl.certificate.pem ssl.cipher.suites
    ssl.crl.location ssl.curves.list ssl.engine.location ssl.key.location ssl.key.password ssl.key.pem
    ssl.keystore.location ssl.keystore.password ssl.providers ssl.sigalgs.list statistics.interval.ms
    sticky.partitioning.linger.ms topic.metadata.propagation.max.ms topic.metadata.refresh.fast.cnt
    topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.interval.ms
    topic.metadata.refresh.sparse transaction.timeout.ms transactional.id
    """
)
SECRET_WORDS = ("password", "secret", "passphrase", "key.pem", "jaas")
