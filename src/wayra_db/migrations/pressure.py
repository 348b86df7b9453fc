"""How long a batched migration waits before its next batch, so that the deployment keeps up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# Beyond the first figure each batch waits, beyond the second nothing runs until it has fallen again.
LAG_SECONDS = (3.0, 10.0)
# WiredTiger evicts in the background from 5 % of dirty pages and 80 % of all, and makes the application's own threads
# help from 20 and 95 % (its eviction targets and triggers): it is time to give way before that.
DIRTY_SHARE = (0.15, 0.20)
USED_SHARE = (0.90, 0.95)
SLOW_SECONDS = 0.1
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the server says of itself; None where the user may not ask or the server does not know."""

    lag_seconds: float | None = None
    flow_control: bool = False
    dirty_share: float | None = None
    used_share: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds to wait, and for what; `pausing` means that the load is looked at again before the next batch."""

    seconds: float = 0.0
    reason: str = ""
    pausing: bool = False


def decide(load: Load) -> Wait:
    """The wait that the worst of the figures asks for."""
    waits = [
        _by(load.lag_seconds, LAG_SECONDS, f"the secondaries are {load.lag_seconds or 0:.0f} s behind"),
        _by(load.dirty_share, DIRTY_SHARE, f"{load.dirty_share or 0:.0%} of the cache wait to be written"),
        _by(load.used_share, USED_SHARE, f"the cache is {load.used_share or 0:.0%} full"),
        Wait(SLOW_SECONDS, "the server's flow control holds writes back") if load.flow_control else Wait(),
    ]
    return max(waits, key=lambda wait: (wait.pausing, wait.seconds))


def _by(value: float | None, limits: tuple[float, float], reason: str) -> Wait:
    slow, pause = limits
    if value is None or value < slow:
        return Wait()
    return Wait(PAUSE_SECONDS, reason, pausing=True) if value >= pause else Wait(SLOW_SECONDS, reason)
