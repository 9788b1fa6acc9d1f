"""The restart policy: whether and when a task that ended by itself is started again. Pure.

Kafka leaves a failed task FAILED for ever. Here a task whose process died (a kill, out of memory) comes back
by default, with a growing pause; `errors.restart.policy=always` also brings back tasks that raised an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidelock.connect.runtime.settings import ConnectorSettings


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """One connector's policy; seconds.

    Attributes:
        policy: never, crash or always.
        max_attempts: restarts in a row; -1 for no limit.
        reset: a task that ran so long before it ended starts a new row.
    """

    policy: str = "crash"
    delay: float = 0.2
    delay_max: float = 60.0
    max_attempts: int = -1
    reset: float = 60.0

    @classmethod
    def of(cls, settings: ConnectorSettings) -> RestartPolicy:
        """Read a connector's `errors.restart.*` keys."""
        return cls(
            settings.errors_restart_policy,
            settings.errors_restart_delay_ms / 1000,
            settings.errors_restart_delay_max_ms / 1000,
            settings.errors_restart_max_attempts,
            settings.errors_restart_reset_ms / 1000,
        )


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """What a task's last starts were like."""

    attempts: int = 0
    started_at: float = 0.0

    def started(self, now: float) -> RestartHistory:
        """Note that the task was started."""
        return replace(self, started_at=now)

    def ended(
        self, policy: RestartPolicy, now: float, *, crashed: bool
    ) -> tuple[RestartHistory, float | None]:
        """Decide what follows an end that nobody asked for.

        Args:
            policy: the connector's.
            now: monotonic seconds.
            crashed: the process died; otherwise the task raised an error.

        Returns:
            The new history, and the seconds to wait before the restart, or None for no restart.
        """
        if policy.policy == "never" or (policy.policy == "crash" and not crashed):
            return self, None
        attempts = 0 if now - self.started_at >= policy.reset else self.attempts
        if 0 <= policy.max_attempts <= attempts:
            return self, None
        delay = min(policy.delay * 2.0 ** min(attempts, 30), policy.delay_max)
        return replace(self, attempts=attempts + 1), delay
