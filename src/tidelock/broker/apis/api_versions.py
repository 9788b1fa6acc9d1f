"""ApiVersions (18), v0-4: what the broker serves, straight from the registry.

KIP-35; KIP-511: a version that is not known is answered as v0 with error 35 and this API's own range (the
node does that). KIP-584: features. Finalized are only features that really work here: group.version stays
at 0, which is said by leaving it out. Clients use transactions of version 2 (KIP-890) because
transaction.version is finalized at 2. Feature rows that begin at 0 are left out before v4 (KAFKA-17011).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.registry import BY_KEY, SERVED
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

KEY = 18
# metadata.version of Apache Kafka 4.2 (IBP_4_2_IV1) and the oldest that release still supports.
METADATA_VERSION, OLDEST_METADATA_VERSION = 29, 7
TRANSACTION_VERSION = 2
ROWS_FROM_ZERO_SINCE = 4
FINALIZED = (("metadata.version", METADATA_VERSION), ("transaction.version", TRANSACTION_VERSION))


def handle(state: BrokerState, request: ApiVersionsRequest, call: Call) -> ApiVersionsResponse:
    """Answer with the registry."""
    supported = [
        SupportedFeatureKey(
            name="metadata.version", min_version=OLDEST_METADATA_VERSION, max_version=METADATA_VERSION
        ),
        SupportedFeatureKey(name="transaction.version", min_version=0, max_version=TRANSACTION_VERSION),
    ]
    return ApiVersionsResponse(
        api_keys=[ApiVersion(api_key=k, min_version=low, max_version=high) for k, low, high, *_ in SERVED],
        supported_features=[
            one for one in supported if one.min_version > 0 or call.version >= ROWS_FROM_ZERO_SINCE
        ],
        finalized_features_epoch=state.image.epoch,
        finalized_features=[
            FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
            for name, level in FINALIZED
        ],
    )


def unsupported() -> ApiVersionsResponse:
    """The v0 body for a version that is not known."""
    own = BY_KEY[KEY]
    return ApiVersionsResponse(
        error_code=int(ErrorCode.UNSUPPORTED_VERSION),
        api_keys=[ApiVersion(api_key=KEY, min_version=own.min_version, max_version=own.max_version)],
    )
