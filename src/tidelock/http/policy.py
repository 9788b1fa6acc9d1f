"""All settings of a caller, grouped by the rule that reads them. No IO."""

from __future__ import annotations

import msgspec

from tidelock.config import Settings, key
from tidelock.http.balance import BalanceSettings, EjectionSettings
from tidelock.http.breaker import BreakerSettings
from tidelock.http.hedging import HedgeSettings
from tidelock.http.pickers import PICKERS
from tidelock.http.retry import RetrySettings


class CallSettings(Settings):
    """What every call of a client obeys unless its interface says otherwise; durations are seconds."""

    timeout: float = key(default=5.0, at_least=0.001, doc="Of a whole call, all attempts included.")
    connect_timeout: float = key(
        default=1.0, name="connectTimeout", at_least=0.001, doc="Of one attempt to connect."
    )
    load_balancer: str = key(
        default="least-in-flight",
        name="loadBalancer",
        choices=tuple(PICKERS),
        doc="How instances are chosen.",
    )


class BulkheadSettings(Settings):
    """How many calls may be under way; Resilience4j's key."""

    max_concurrent_calls: int = key(
        default=0,
        name="maxConcurrentCalls",
        at_least=0,
        doc="Calls to a service at once, the next one is refused; a stream counts until its head is here. "
        "0 is no limit.",
    )


class Policy(msgspec.Struct, frozen=True):
    """All settings of a caller, grouped by the rule that reads them."""

    call: CallSettings = CallSettings()
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    ejection: EjectionSettings = EjectionSettings()
    balance: BalanceSettings = BalanceSettings()
    hedge: HedgeSettings = HedgeSettings()
    bulkhead: BulkheadSettings = BulkheadSettings()
