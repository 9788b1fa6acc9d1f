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
    return image.cluster_id, topics, ids, image.broker_configs, image.producer_ids_end


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
    "torn", [b"\0", b"\0\0\0\x10", encode(RECORDS[1])[:-1], bytes(64), b"\0\0\0\4\0\0\0\0abcd"]
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


def test_damage_before_the_end_is_refused() -> None:
    data = bytearray(b"".join(map(encode, RECORDS)))
    data[30] ^= 1
    with pytest.raises(CorruptMetadata, match="damaged"):
        decode(bytes(data))


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


def test_a_grown_log_is_replaced_by_what_is_left() -> None:
    files = MemoryFiles()
    log = MetadataLog(files)
    log.commit(*RECORDS)
    for _ in range(SNAPSHOT_BYTES // 50_000 + 2):
        log.commit(TopicConfigured("t", {"follower.replication.throttled.replicas": "x" * 50_000}))
        log.commit(TopicConfigured("t", {}))
    assert files.size(LOG_NAME) < SNAPSHOT_BYTES // 2
    files.crash()
    assert content(MetadataLog(files).image) == content(log.image)
