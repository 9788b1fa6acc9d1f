"""The metadata image and its log."""

from __future__ import annotations

import pytest

from tidelock.broker.log import MemoryFiles, append_all, keep_everything
from tidelock.broker.metadata import (
    LOG_NAME,
    SNAPSHOT_BYTES,
    BrokerConfigured,
    ClusterNamed,
    CorruptMetadata,
    GroupConfigured,
    MetadataImage,
    MetadataLog,
    MetadataRecord,
    PartitionsAdded,
    ProducerIdsReserved,
    TopicConfigured,
    TopicCreated,
    TopicDeleted,
    decode,
    encode,
)

ID = "00112233445566778899aabbccddeeff"
RECORDS: list[MetadataRecord] = [
    ClusterNamed("c"),
    TopicCreated("t", ID, 4, {"retention.ms": "1"}),
    TopicCreated("gone", ID[::-1], 1, {}),
    PartitionsAdded("t", 6),
    TopicConfigured("t", {"cleanup.policy": "compact"}),
    TopicDeleted("gone"),
    BrokerConfigured({"message.max.bytes": "5"}),
    BrokerConfigured({"message.max.bytes": "6"}, own=True),
    GroupConfigured("g", {"share.isolation.level": "read_committed"}),
    GroupConfigured("none", {"share.isolation.level": "read_committed"}),
    GroupConfigured("none", {}),
    ProducerIdsReserved(1000),
]


def image_of(records: list[MetadataRecord]) -> MetadataImage:
    image = MetadataImage()
    for record in records:
        image.apply(record)
    return image


def content(image: MetadataImage) -> object:
    topics = {t.name: (t.topic_id, t.partitions, t.configs) for t in image.topics.values()}
    ids = {key: topic.name for key, topic in image.by_id.items()}
    return image.cluster_id, topics, ids, image.broker_configs, image.group_configs, image.producer_ids_end


def test_records_are_read_back_as_they_were_written() -> None:
    data = b"".join(map(encode, RECORDS))
    assert decode(data) == (RECORDS, len(data))


def test_the_image_follows_the_records() -> None:
    image = image_of(RECORDS)
    assert image.topics["t"].partitions == 6
    assert image.topics["t"].configs == {"cleanup.policy": "compact"}
    assert image.by_id == {bytes.fromhex(ID): image.topics["t"]}


def test_an_images_own_records_make_the_same_image() -> None:
    image = image_of(RECORDS)
    assert content(image_of(list(image.records()))) == content(image)


def test_what_was_committed_survives_a_power_loss() -> None:
    files = MemoryFiles()
    MetadataLog(files).commit(*RECORDS)
    files.crash()
    assert content(MetadataLog(files).image) == content(image_of(RECORDS))


@pytest.mark.parametrize(
    "torn", [b"\0", b"\0\0\0\x10", encode(RECORDS[1])[:-1], bytes(64), b"\0\0\0\4\0\0\0\1ab\0\0"]
)
def test_a_torn_tail_is_cut_off(torn: bytes) -> None:
    files = MemoryFiles()
    MetadataLog(files).commit(*RECORDS)
    append_all(files.open(LOG_NAME), torn)
    files.crash(keep_everything)
    log = MetadataLog(files)
    assert content(log.image) == content(image_of(RECORDS))
    log.commit(ProducerIdsReserved(2000))
    assert MetadataLog(files).image.producer_ids_end == 2000


def test_one_flipped_bit_anywhere_is_refused() -> None:
    data = b"".join(map(encode, RECORDS[:3]))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptMetadata, match="damaged"):
            decode(bytes(damaged))


@pytest.mark.parametrize("content", [None, b"", b"\0\0", encode(RECORDS[0])[:-1]])
def test_a_log_that_is_missing_beside_partitions_is_refused(content: bytes | None) -> None:
    files = MemoryFiles()
    files.make_folder("t-0")
    if content is not None:
        append_all(files.open(LOG_NAME), content)
    with pytest.raises(CorruptMetadata, match="missing or empty"):
        MetadataLog(files)
    assert "t-0" in files.list("")


@pytest.mark.parametrize("folder", ["", "t-0"])
def test_a_folder_of_apache_kafka_is_told_as_such(folder: str) -> None:
    files = MemoryFiles()
    append_all(files.open("meta.properties"), b"version=1\n")
    if folder:
        files.make_folder(folder)
    with pytest.raises(CorruptMetadata, match="one of Apache Kafka"):
        MetadataLog(files)
    assert LOG_NAME not in files.list("")


@pytest.mark.parametrize("body", [b"[]", b'{"kind":"newer"}', b'{"kind":"cluster"}', b"\xff", b'{"kind":[]}'])
def test_an_intact_record_of_an_unknown_kind_is_refused(body: bytes) -> None:
    from crc32c import crc32c

    with pytest.raises(CorruptMetadata, match="not one this version knows"):
        decode(len(body).to_bytes(4, "big") + crc32c(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize("kind", ["append", "sync"])
def test_a_disk_error_changes_nothing(kind: str) -> None:
    files = MemoryFiles()
    log = MetadataLog(files)
    log.commit(*RECORDS[:3])
    files.fail(kind)
    with pytest.raises(OSError, match="failing"):
        log.commit(TopicDeleted("t"))
    assert "t" in log.image.topics
    log.commit(TopicDeleted("gone"))
    assert content(MetadataLog(files).image) == content(log.image)


def test_what_could_not_be_taken_back_ends_the_commits() -> None:
    files = MemoryFiles()
    log = MetadataLog(files)
    log.commit(*RECORDS[:3])
    files.fail("append", short=4)
    files.fail("append", after=0)
    files.fail("truncate")
    for _ in range(2):
        with pytest.raises(OSError, match=r"failing|restart"):
            log.commit(TopicDeleted("t"))
    assert content(MetadataLog(files).image) == content(log.image)


def grow(log: MetadataLog) -> None:
    for _ in range(SNAPSHOT_BYTES // 50_000 + 2):
        log.commit(TopicConfigured("t", {"follower.replication.throttled.replicas": "x" * 50_000}))
        log.commit(TopicConfigured("t", {}))


@pytest.mark.parametrize("kind", ["open", "rename"])
def test_a_disk_that_refuses_the_shorter_log_fails_no_commit(kind: str) -> None:
    files = MemoryFiles()
    log = MetadataLog(files)
    log.commit(*RECORDS)
    files.fail(kind)
    grow(log)
    assert files.faults == []
    log.commit(ProducerIdsReserved(3000))
    files.crash()
    assert content(MetadataLog(files).image) == content(log.image)


def test_the_ids_of_deleted_topics_are_read_back() -> None:
    files = MemoryFiles()
    MetadataLog(files).commit(*RECORDS)
    assert MetadataLog(files).deleted == {bytes.fromhex(ID[::-1])}


def test_a_grown_log_is_replaced_by_what_is_left() -> None:
    files = MemoryFiles()
    log = MetadataLog(files)
    log.commit(*RECORDS)
    grow(log)
    assert files.size(LOG_NAME) < SNAPSHOT_BYTES // 2
    files.crash()
    assert content(MetadataLog(files).image) == content(log.image)
