"""DescribeConfigs (32), v1-4: every config of a topic or of the broker.

With source and synonyms (KIP-226, KIP-569). Resource types: 2 topic, 4 broker (this broker's id, or "" for
the cluster-wide dynamic ones), 32 group (KIP-848; whether it exists or not). Others are refused with
INVALID_REQUEST. v3 adds the type and, when asked for, the documentation.
"""

from __future__ import annotations

from tidelock.broker import configs
from tidelock.broker.apis.call import Call
from tidelock.broker.configs import Config
from tidelock.broker.settings import DYNAMIC_BROKER_KEYS
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

TOPIC, BROKER, GROUP = 2, 4, 32


def handle(state: BrokerState, request: DescribeConfigsRequest, call: Call) -> DescribeConfigsResponse:
    """Describe each resource."""
    return DescribeConfigsResponse(results=[_described(state, one, request) for one in request.resources])


def _described(
    state: BrokerState, asked: DescribeConfigsResource, request: DescribeConfigsRequest
) -> DescribeConfigsResult:
    result = DescribeConfigsResult(
        error_message=None, resource_type=asked.resource_type, resource_name=asked.resource_name
    )
    try:
        found = _configs_of(state, asked)
    except KafkaError as error:
        result.error_code, result.error_message = error.error_code, error.what
        return result
    wanted = None if not asked.configuration_keys else set(asked.configuration_keys)
    result.configs = [
        _result(one, asked.resource_type, request)
        for one in found
        if wanted is None or one.key.name in wanted
    ]
    return result


def _configs_of(state: BrokerState, asked: DescribeConfigsResource) -> list[Config]:
    dynamic = state.image.broker_configs
    if asked.resource_type == TOPIC:
        topic = state.image.topics.get(asked.resource_name)
        if topic is None:
            raise errors.UnknownTopicOrPartition(f"there is no topic {asked.resource_name!r}")
        return configs.topic_configs(state.settings, dynamic, topic.configs)
    if asked.resource_type == BROKER:
        if asked.resource_name == "":
            return configs.cluster_configs(dynamic)
        if asked.resource_name != str(state.settings.node_id):
            raise errors.InvalidRequest(f"this is broker {state.settings.node_id}")
        return configs.broker_configs(state.settings, dynamic)
    if asked.resource_type == GROUP:
        if not asked.resource_name:
            raise errors.InvalidRequest("a group's name must not be empty")
        return configs.group_configs(state.image.group_configs.get(asked.resource_name, {}))
    raise errors.InvalidRequest(f"resource type {asked.resource_type} has no configs here")


def _result(
    config: Config, resource_type: int, request: DescribeConfigsRequest
) -> DescribeConfigsResourceResult:
    sensitive = config.key.java_type == "PASSWORD"
    return DescribeConfigsResourceResult(
        name=config.key.name,
        value=None if sensitive else config.value,
        read_only=resource_type == BROKER and config.key.name not in DYNAMIC_BROKER_KEYS,
        config_source=int(config.source),
        is_sensitive=sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=one.name, value=one.value, source=int(one.source))
            for one in config.origins
        ]
        if request.include_synonyms
        else [],
        config_type=config.type_number,
        documentation=config.key.doc if request.include_documentation else None,
    )
