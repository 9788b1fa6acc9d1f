"""The admin APIs whose answers follow from there being one broker, in every version."""

from __future__ import annotations

import pytest

from tests.support.node import MemoryBroker
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages import alter_partition_reassignments as reassign
from tidelock.protocol.messages import alter_replica_log_dirs as move
from tidelock.protocol.messages import describe_log_dirs as dirs
from tidelock.protocol.messages import describe_quorum as quorum
from tidelock.protocol.messages import elect_leaders as elect
from tidelock.protocol.messages import list_config_resources as resources
from tidelock.protocol.messages import list_partition_reassignments as moving
from tidelock.protocol.messages import update_features as features


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 2)
    found.produce("t", b"one", partition=1)
    return found


@pytest.mark.parametrize("version", [1, 2])
def test_replicas_move_to_where_they_are_only(broker: MemoryBroker, version: int) -> None:
    topic = move.AlterReplicaLogDirTopic(name="t", partitions=[0, 5])
    here = move.AlterReplicaLogDir(path=broker.state.settings.log_dirs, topics=[topic])
    other = move.AlterReplicaLogDir(
        path="/elsewhere", topics=[move.AlterReplicaLogDirTopic(name="t", partitions=[1])]
    )
    response = broker.send(move.AlterReplicaLogDirsRequest(dirs=[here, other]), version)
    codes = {one.partition_index: one.error_code for one in response.results[0].partitions}
    assert codes == {0: 0, 5: E.UNKNOWN_TOPIC_OR_PARTITION, 1: E.LOG_DIR_NOT_FOUND}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_data_folder_and_its_sizes(broker: MemoryBroker, version: int) -> None:
    asked = [
        dirs.DescribableLogDirTopic(topic="t", partitions=[1, 9]),
        dirs.DescribableLogDirTopic(topic="no"),
    ]
    for topics in (asked, None):
        (folder,) = broker.send(dirs.DescribeLogDirsRequest(topics=topics), version).results
        assert (folder.error_code, folder.log_dir) == (0, broker.state.settings.log_dirs)
        sizes = {(t.name, p.partition_index): p.partition_size for t in folder.topics for p in t.partitions}
        assert sizes["t", 1] == broker.state.partition("t", 1).size_bytes > 0
        assert sizes.keys() == ({("t", 1)} if topics else {("t", 0), ("t", 1)})


@pytest.mark.parametrize("version", [0, 1, 2])
def test_no_election_is_needed(broker: MemoryBroker, version: int) -> None:
    asked = [elect.TopicPartitions(topic="t", partitions=[0, 7])]
    response = broker.send(elect.ElectLeadersRequest(topic_partitions=asked), version)
    (topic,) = response.replica_election_results
    codes = [one.error_code for one in topic.partition_result]
    assert codes == [E.ELECTION_NOT_NEEDED, E.UNKNOWN_TOPIC_OR_PARTITION]
    everything = broker.send(elect.ElectLeadersRequest(topic_partitions=None), version)
    assert everything.replica_election_results == []


@pytest.mark.parametrize("version", [0, 1])
def test_reassignments(broker: MemoryBroker, version: int) -> None:
    own = broker.state.settings.node_id
    wanted = [(0, [own]), (1, [own, own + 1]), (0, None), (8, [own])]
    partitions = [reassign.ReassignablePartition(partition_index=i, replicas=r) for i, r in wanted]
    request = reassign.AlterPartitionReassignmentsRequest(
        topics=[reassign.ReassignableTopic(name="t", partitions=partitions)]
    )
    response = broker.send(request, version)
    assert response.error_code == 0
    assert [one.error_code for one in response.responses[0].partitions] == [
        0,
        E.INVALID_REPLICA_ASSIGNMENT,
        E.NO_REASSIGNMENT_IN_PROGRESS,
        E.UNKNOWN_TOPIC_OR_PARTITION,
    ]


def test_nothing_is_being_moved(broker: MemoryBroker) -> None:
    response = broker.send(moving.ListPartitionReassignmentsRequest(topics=None), 0)
    assert (response.error_code, response.topics) == (0, [])


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_quorum_of_one(broker: MemoryBroker, version: int) -> None:
    def asked(name: str) -> quorum.TopicData:
        return quorum.TopicData(topic_name=name, partitions=[quorum.PartitionData(partition_index=0)])

    request = quorum.DescribeQuorumRequest(topics=[asked("__cluster_metadata"), asked("t")])
    response = broker.send(request, version)
    metadata, other = (topic.partitions[0] for topic in response.topics)
    own = broker.state.settings.node_id
    assert (metadata.error_code, metadata.leader_id, metadata.high_watermark) == (
        0,
        own,
        broker.state.image.epoch,
    )
    assert [voter.replica_id for voter in metadata.current_voters] == [own]
    assert other.error_code == E.UNKNOWN_TOPIC_OR_PARTITION
    assert [node.node_id for node in response.nodes] == ([own] if version == 2 else [])


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(
    ("feature", "level", "code"),
    [
        ("metadata.version", 29, 0),
        ("metadata.version", 28, E.INVALID_UPDATE_VERSION),
        ("no.such.feature", 1, E.INVALID_UPDATE_VERSION),
    ],
)
def test_levels_belong_to_the_release(
    broker: MemoryBroker, version: int, feature: str, level: int, code: int
) -> None:
    update = features.FeatureUpdateKey(feature=feature, max_version_level=level)
    response = broker.send(features.UpdateFeaturesRequest(feature_updates=[update]), version)
    found = response.error_code if version == 2 else response.results[0].error_code
    assert found == code
    assert response.error_code == (code if version == 2 else 0)


def test_what_has_configs(broker: MemoryBroker) -> None:
    def named(*types: int, version: int = 1) -> list[str]:
        request = resources.ListConfigResourcesRequest(resource_types=[*types])
        response = broker.send(request, version)
        assert response.error_code == 0
        return [one.resource_name for one in response.config_resources]

    own = str(broker.state.settings.node_id)
    assert named() == ["t", own]
    assert named(2) == ["t"]
    assert named(4) == [own]
    assert named(32) == []
    assert broker.send(resources.ListConfigResourcesRequest(resource_types=[]), 0).config_resources == []
    unknown = broker.send(resources.ListConfigResourcesRequest(resource_types=[99]), 1)
    assert unknown.error_code == E.UNSUPPORTED_VERSION
