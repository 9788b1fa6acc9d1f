"""What Kafka's tools are asked, in order, on an empty broker; and what may differ between two runs.

A step names a tool, its arguments and its standard input. `{file:NAME}` is a file of `FILES`, `{log}` the
first segment of topic `words`, partition 0. Where a tool's answer is not the broker's (speeds), `only` says
which of its lines count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOOLS = "org.apache.kafka.tools"
CONFIGS = "kafka.admin.ConfigCommand"
TOPICS = f"{TOOLS}.TopicCommand"
GROUPS = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
OFFSETS = f"{TOOLS}.GetOffsetShell"
PRODUCE = f"{TOOLS}.ConsoleProducer"
CONSUME = f"{TOOLS}.consumer.ConsoleConsumer"
TRANSACTIONS = f"{TOOLS}.TransactionsCommand"


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a tool.

    Args:
        line: its arguments, separated by spaces; an underscore-free text needs no quoting.
        stdin: what it reads.
        only: a pattern of the lines that count; empty = all.
        sort: the order of lines is not promised.
        server: whether `--bootstrap-server` is added.
    """

    main: str
    line: str
    stdin: str = ""
    only: str = ""
    sort: bool = False
    server: bool = True

    @property
    def name(self) -> str:
        return f"{self.main.rpartition('.')[2]} {self.line}"


FILES = {
    "deletions": '{"version": 1, "partitions": [{"topic": "words", "partition": 0, "offset": 2}]}',
    "too-far": '{"version": 1, "partitions": [{"topic": "words", "partition": 0, "offset": 2000}]}',
    "positions": "words,0,4\n",
    "replicas": '{"version": 1, "partitions": [{"topic": "words", "partition": 0, "replicas": [1]}]}',
    "elections": '{"partitions": [{"topic": "words", "partition": 0}]}',
}

WORDS = "".join(f"h:{n}\tkey{n}\tword {n}\n" for n in range(6))
KEYED = "--reader-property parse.key=true --reader-property parse.headers=true"
SHOWN = " ".join(
    f"--formatter-property print.{what}=true" for what in ("key", "headers", "partition", "offset")
)


def topics() -> list[Step]:
    lines = (
        "--create --topic words --partitions 1 --replication-factor 1",
        "--create --topic words --partitions 1",
        "--create --topic words --if-not-exists",
        "--create --topic wide --partitions 3 --config cleanup.policy=compact --config segment.bytes=2000000",
        "--create --topic a/b",
        "--create --topic .",
        "--create --topic none --partitions 0",
        "--create --topic copies --replication-factor 3",
        "--create --topic placed --replica-assignment 1,1",
        "--create --topic misplaced --replica-assignment 7",
        "--create --topic twice --replica-assignment 1:1",
        "--create --topic bad --config segment.bytes=much",
        "--create --topic bad --config segment.bytes=1",
        "--create --topic bad --config nothing.known=1",
        "--create --topic bad --config cleanup.policy=shred",
        "--create --topic bad --config compression.type=rar",
        "--create --topic bad --config min.cleanable.dirty.ratio=2",
        "--list",
        "--describe --topic words",
        "--describe --topic wide",
        "--describe --topic nowhere",
        "--describe --topic w.* --exclude-internal",
        "--describe --under-replicated-partitions",
        "--describe --unavailable-partitions",
        "--describe --at-min-isr-partitions --topic words",
        "--alter --topic wide --partitions 5",
        "--alter --topic wide --partitions 5",
        "--alter --topic wide --partitions 2",
        "--alter --topic nowhere --partitions 2",
        "--describe --topic wide",
        "--delete --topic placed",
        "--delete --topic nowhere",
        "--delete --topic nowhere --if-exists",
        "--list --exclude-internal",
    )
    return [Step(TOPICS, line) for line in lines]


def records() -> list[Step]:
    read = f"--topic words --timeout-ms 15000 {SHOWN}"
    return [
        Step(PRODUCE, f"--topic words {KEYED}", WORDS),
        Step(PRODUCE, "--topic words --compression-codec zstd", "packed\n"),
        Step(PRODUCE, "--topic words --command-property acks=1", "plain\n"),
        Step(CONSUME, f"{read} --from-beginning --max-messages 8 --group readers"),
        Step(CONSUME, f"{read} --partition 0 --offset 5 --max-messages 2"),
        Step(CONSUME, f"{read} --partition 0 --offset earliest --max-messages 1"),
        Step(CONSUME, f"{read} --partition 7 --offset earliest --max-messages 1"),
        Step(OFFSETS, "--topic words"),
        Step(OFFSETS, "--topic words --time -2"),
        Step(OFFSETS, "--topic words --time -3"),
        Step(OFFSETS, "--topic words --time -4"),
        Step(OFFSETS, "--topic words --time -5"),
        Step(OFFSETS, "--topic words --time 1"),
        Step(OFFSETS, "--topic words --time 9999999999999"),
        Step(OFFSETS, "--topic-partitions w.*:0-1 --exclude-internal-topics"),
        Step(OFFSETS, "--topic nowhere"),
        Step(f"{TOOLS}.DumpLogSegments", "--print-data-log --files {log}", server=False),
        Step(f"{TOOLS}.DumpLogSegments", "--deep-iteration --files {log}", server=False),
        Step(f"{TOOLS}.DeleteRecordsCommand", "--offset-json-file {file:deletions}"),
        Step(f"{TOOLS}.DeleteRecordsCommand", "--offset-json-file {file:too-far}"),
        Step(OFFSETS, "--topic words --time earliest"),
        Step(CONSUME, f"{read} --from-beginning --max-messages 1"),
    ]


def groups() -> list[Step]:
    reset = "--reset-offsets --group readers"
    lines = (
        "--list",
        "--list --state",
        "--list --type",
        "--list --state empty",
        "--describe --group readers",
        "--describe --group readers --offsets --verbose",
        "--describe --group readers --members --verbose",
        "--describe --group readers --state",
        "--describe --group nobody",
        "--describe --all-groups",
        *(f"{reset} --topic words {how}" for how in ("--to-earliest", "--to-latest", "--to-current")),
        f"{reset} --topic words --to-offset 3 --execute",
        f"{reset} --topic words --to-offset 0 --execute",
        f"{reset} --topic words --to-offset 3000 --execute",
        f"{reset} --topic words --shift-by -2 --execute",
        f"{reset} --topic words:0 --shift-by 1 --dry-run",
        f"{reset} --topic words:9 --to-earliest --dry-run",
        f"{reset} --topic words --to-datetime 2020-01-01T00:00:00.000 --execute",
        f"{reset} --topic words --to-datetime 2200-01-01T00:00:00.000 --execute",
        f"{reset} --topic words --by-duration P1D --execute",
        f"{reset} --all-topics --to-latest --execute",
        f"{reset} --from-file {{file:positions}} --execute",
        f"{reset} --topic words --to-current --export",
        f"{reset} --topic nowhere --to-earliest --execute",
        "--reset-offsets --group new --topic words --to-earliest --execute",
        "--describe --group readers",
        "--describe --group new",
        "--delete-offsets --group readers --topic words",
        "--delete-offsets --group readers --topic nowhere",
        "--delete-offsets --group nobody --topic words",
        "--delete --group new",
        "--delete --group nobody",
        "--delete --group readers",
        "--list",
    )
    return [Step(GROUPS, line, sort=line.startswith("--list")) for line in lines]


def configs() -> list[Step]:
    topic = "--entity-type topics --entity-name words"
    lines = (
        f"{topic} --describe",
        f"{topic} --alter --add-config retention.ms=60000,max.message.bytes=2000",
        f"{topic} --alter --add-config cleanup.policy=[compact,delete]",
        f"{topic} --describe",
        f"{topic} --alter --delete-config retention.ms",
        f"{topic} --alter --delete-config delete.retention.ms",
        f"{topic} --alter --delete-config nothing.known",
        f"{topic} --alter --add-config nothing.known=1",
        f"{topic} --alter --add-config retention.ms=soon",
        f"{topic} --alter --add-config retention.ms=-2",
        f"{topic} --alter --add-config segment.bytes=1",
        f"{topic} --alter --add-config cleanup.policy=shred",
        f"{topic} --alter --add-config message.timestamp.type=never",
        f"{topic} --alter --add-config preallocate=perhaps",
        f"{topic} --alter --add-config compression.gzip.level=12",
        f"{topic} --alter --add-config min.cleanable.dirty.ratio=7",
        f"{topic} --alter --add-config min.compaction.lag.ms=10,max.compaction.lag.ms=5",
        f"{topic} --alter --add-config remote.storage.enable=true",
        f"{topic} --alter --add-config leader.replication.throttled.replicas=[0:1]",
        f"{topic} --alter --add-config leader.replication.throttled.replicas=all",
        f"{topic} --describe",
        f"{topic} --alter --delete-config max.message.bytes,cleanup.policy",
        f"{topic} --describe --all",
        "--entity-type topics --entity-name nowhere --describe",
        "--entity-type topics --entity-name nowhere --alter --add-config retention.ms=1",
    )
    return [Step(CONFIGS, line) for line in lines]


def group_configs() -> list[Step]:
    group = "--entity-type groups --entity-name sharers"
    lines = (
        f"{group} --describe",
        f"{group} --alter --add-config share.auto.offset.reset=earliest,consumer.session.timeout.ms=50000",
        f"{group} --describe",
        f"{group} --describe --all",
        "--entity-type groups --describe",
        f"{group} --alter --add-config consumer.session.timeout.ms=1000",
        f"{group} --alter --add-config share.isolation.level=none",
        f"{group} --alter --add-config nothing.known=1",
        f"{group} --alter --delete-config nothing.known",
        f"{group} --alter --delete-config share.auto.offset.reset,consumer.session.timeout.ms",
        f"{group} --describe",
        "--entity-type groups --entity-default --alter --add-config share.isolation.level=read_committed",
    )
    return [Step(CONFIGS, line) for line in lines]


def broker_configs() -> list[Step]:
    topic = "--entity-type topics --entity-name words"
    broker = "--entity-type brokers --entity-name 1"
    default = "--entity-type brokers --entity-default"
    lines = (
        f"{broker} --alter --add-config message.max.bytes=2000000",
        f"{default} --alter --add-config log.retention.ms=70000000",
        f"{broker} --describe",
        f"{default} --describe",
        f"{topic} --describe --all",
        f"{broker} --alter --add-config log.retention.ms=soon",
        f"{broker} --alter --add-config node.id=7",
        f"{default} --alter --add-config listeners=PLAINTEXT://:1",
        f"{broker} --alter --delete-config message.max.bytes",
        f"{default} --alter --delete-config log.retention.ms",
        f"{broker} --describe",
        "--entity-type brokers --entity-name 9 --describe",
        "--entity-type brokers --entity-name one --describe",
    )
    return [Step(CONFIGS, line) for line in lines]


def transactions() -> list[Step]:
    copy = "--transactional-id copies --input-topic words --input-partition 0 --output-topic copied"
    read = f"--topic copied --from-beginning --timeout-ms 15000 {SHOWN}"
    return [
        Step(TOPICS, "--create --topic copied --partitions 1"),
        Step(
            f"{TOOLS}.TransactionalMessageCopier",
            f"{copy} --consumer-group copier --transaction-size 2 --max-messages 4 --broker-list {{server}}",
            only="ShutdownComplete",
            server=False,
        ),
        Step(CONSUME, f"{read} --isolation-level read_committed --max-messages 4"),
        Step(TRANSACTIONS, "list"),
        Step(TRANSACTIONS, "describe --transactional-id copies"),
        Step(TRANSACTIONS, "describe --transactional-id nobody"),
        Step(TRANSACTIONS, "describe-producers --topic copied --partition 0"),
        Step(TRANSACTIONS, "find-hanging --broker-id 1"),
        Step(TRANSACTIONS, "abort --topic copied --partition 0 --start-offset 77"),
        Step(TRANSACTIONS, "forceTerminateTransaction --transactionalId copies"),
        Step(OFFSETS, "--topic copied"),
    ]


def measures() -> list[Step]:
    verifiable = "--topic measured --max-messages 50"
    return [
        Step(TOPICS, "--create --topic measured --partitions 1"),
        Step(
            f"{TOOLS}.ProducerPerformance",
            "--topic measured --num-records 2000 --record-size 100 --throughput -1"
            " --command-property bootstrap.servers={server}",
            only="2000 records sent",
            server=False,
        ),
        Step(
            f"{TOOLS}.ConsumerPerformance",
            "--topic measured --num-records 2000 --hide-header --timeout 20000",
            only="2000,",
        ),
        Step(f"{TOOLS}.VerifiableProducer", verifiable, only='"name":"(startup|shutdown|tool)'),
        Step(
            f"{TOOLS}.VerifiableConsumer",
            f"{verifiable} --group-id verifiers --reset-policy earliest",
            only='"name":"(partitions_assigned|shutdown_complete)',
        ),
        Step(OFFSETS, "--topic measured"),
        Step(
            f"{TOOLS}.EndToEndLatency",
            "--topic measured --num-records 20 --producer-acks all --record-size 20",
            only="Avg latency",
        ),
    ]


def cluster() -> list[Step]:
    return [
        Step(f"{TOOLS}.GroupsCommand", "--list", sort=True),
        Step(f"{TOOLS}.LeaderElectionCommand", "--election-type preferred --topic words --partition 0"),
        Step(
            f"{TOOLS}.LeaderElectionCommand", "--election-type unclean --path-to-json-file {file:elections}"
        ),
        Step(
            f"{TOOLS}.reassign.ReassignPartitionsCommand",
            "--execute --reassignment-json-file {file:replicas}",
        ),
        Step(
            f"{TOOLS}.reassign.ReassignPartitionsCommand",
            "--verify --reassignment-json-file {file:replicas}",
        ),
        Step(f"{TOOLS}.reassign.ReassignPartitionsCommand", "--list"),
        Step(f"{TOOLS}.MetadataQuorumCommand", "describe --status", only="LeaderId"),
        Step(f"{TOOLS}.FeatureCommand", "describe", only="transaction.version"),
        Step(
            f"{TOOLS}.LogDirsCommand",
            "--describe --topic-list words --broker-list 1",
            only="Querying|Received",
        ),
        Step(f"{TOOLS}.ClientMetricsCommand", "--list"),
    ]


SCRIPT = [
    *topics(),
    *records(),
    *groups(),
    *configs(),
    *group_configs(),
    *broker_configs(),
    *transactions(),
    *measures(),
    *cluster(),
]

MASKS = (
    (r"127\.0\.0\.1:\d+|localhost:\d+", "SERVER"),
    (r"(TopicId: |Cluster ID: )[\w-]{22}", r"\1ID"),
    (r"(CreateTime|timestamp|Timestamp): ?-?\d{13}", r"\1:TIME"),
    (r"\b1[789]\d{11}\b", "TIME"),
    (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[.,:]\d+Z?", "DATE"),
    (r"(?m)^DATE, DATE, ([\d.]+), [\d.]+, (\d+), .*$", r"DATE, DATE, \1, N, \2"),
    (r"(?m)Epoch: \d+$", "Epoch: N"),
    (r'"avg_throughput":[\d.E]+', '"avg_throughput":N'),
    (r"/\S+/(\w+-0/0{20})", r"\1"),
    (r"/\S+/(positions|deletions|too-far|replicas|elections)\b", r"\1"),
    (r"crc: \d+", "crc: N"),
    (
        r"(isTransactional: .* position|CreateTime:TIME size): \d+",
        r"\1: N",
    ),  # differences of time are varints
    (r"[\d.]+ (records/sec|MB/sec|ms)", r"N \1"),
    (r"\(N MB/sec\), .*", "(N MB/sec)"),
    (r"console-consumer-\d+", "console-consumer-N"),
    (r"@[0-9a-f]{5,8}\b", "@HASH"),
    (r"(?m)^\s*at [\w.$/]+\(.*\)$", ""),
    (r"\s+\.\.\. \d+ more", ""),
    (r"(?m)^(null|ToolRunner\$Ended)$", ""),  # how the runner keeps a tool from ending the JVM
    (r"(perf-consumer|test-group)-\w+", r"\1-N"),
    (r"log_dirs\":\[\"[^\"]+", 'log_dirs":["DIR'),
    (r"(?m)TIME\s+\d+[ \t]*$", "TIME N"),
    # The words of an error are each broker's own.
    (r"(org\.apache\.kafka\.common\.errors\.\w+): .*", r"\1"),
    (r"(Error while executing topic command) : .*", r"\1"),
    # What differs on purpose: 64 MiB segments; no eligible leader replicas (KIP-966), for whose sake Kafka
    # sets min.insync.replicas for the whole cluster by itself.
    (r"\b1073741824\b|\b67108864\b", "SEGMENT"),
    (r"DYNAMIC_DEFAULT_BROKER_CONFIG:min\.insync\.replicas=1, ", ""),
    (r".*\{DYNAMIC_DEFAULT_BROKER_CONFIG:min\.insync\.replicas=1\}\n", ""),
    (r"(Configs: ?)min\.insync\.replicas=1,?", r"\1"),
)


def normal(step: Step, text: str) -> list[str]:
    """An answer's lines without what differs between any two runs."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if re.search(step.only, line)]
    return sorted(lines) if step.sort else lines
