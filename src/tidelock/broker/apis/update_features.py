"""UpdateFeatures (57), v0-2: feature levels are those of the release and cannot be changed.

KIP-584, v1 upgrade type and dry run (KIP-778), v2 no results on success. Asking for the level that holds
succeeds; any other is INVALID_UPDATE_VERSION, with the reason.
"""

from __future__ import annotations

from tidelock.broker.apis.api_versions import FINALIZED
from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.update_features import (
    FeatureUpdateKey,
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)

RESULTS_UNTIL = 1


def handle(state: BrokerState, request: UpdateFeaturesRequest, call: Call) -> UpdateFeaturesResponse:
    """Judge every update; one that is refused refuses all, as in Kafka since v2."""
    results = [_judged(update) for update in request.feature_updates]
    refused = next((one for one in results if one.error_code), None)
    if call.version <= RESULTS_UNTIL:
        return UpdateFeaturesResponse(error_message=None, results=results)
    if refused is None:
        return UpdateFeaturesResponse(error_message=None)
    return UpdateFeaturesResponse(error_code=refused.error_code, error_message=refused.error_message)


def _judged(update: FeatureUpdateKey) -> UpdatableFeatureResult:
    level = dict(FINALIZED).get(update.feature, 0)
    if update.max_version_level == level and update.feature in dict(FINALIZED):
        return UpdatableFeatureResult(feature=update.feature, error_message=None)
    return UpdatableFeatureResult(
        feature=update.feature,
        error_code=int(ErrorCode.INVALID_UPDATE_VERSION),
        error_message=f"{update.feature} is at level {level}, which belongs to this release",
    )
