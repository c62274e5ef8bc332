"""How often somebody may ask: a bucket of tokens for each key, an address or an API key."""

from __future__ import annotations

import threading

from fanfold.jobs.access import Caller
from fanfold.ports.clock import Clock

MOST_BUCKETS = 50_000
MOST_RATES = 1000
LEAST_PER_S = 0.01


class RateLimits:
    """Each key may ask `rate_per_s` times a second, after a rest `burst` times at once (twice the rate where none is
    given); thread-safe.

    Buckets that are full again are forgotten, so that memory follows those who ask now.
    """

    def __init__(self, clock: Clock, rate_per_s: float, burst: float | None = None) -> None:
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._burst = max(1.0, 2 * rate_per_s if burst is None else burst)
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_s(self, key: str) -> float:
        """0 where the key may ask now, which counts; otherwise the seconds until it may, and nothing is counted."""
        with self._lock:
            now = self._clock.monotonic()
            left = self._left(key, now)
            if left < 1:
                return (1 - left) / self._rate_per_s
            if key not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
                self._forget(now)
            self._buckets[key] = (left - 1, now)
            return 0.0

    def give_back(self, key: str) -> None:
        """Take back what the last `wait_s` of the key counted."""
        with self._lock:
            now = self._clock.monotonic()
            self._buckets[key] = (min(self._burst, self._left(key, now) + 1), now)

    def _left(self, key: str, now: float) -> float:
        left, then = self._buckets.get(key, (self._burst, now))
        return min(self._burst, left + (now - then) * self._rate_per_s)

    def _forget(self, now: float) -> None:
        """Drop the full buckets; where all are in use, the older half, whose keys start with a full one again."""
        used = {key: bucket for key, bucket in self._buckets.items() if self._left(key, now) < self._burst}
        if len(used) >= MOST_BUCKETS:
            newest = sorted(used.items(), key=lambda item: item[1][1])[MOST_BUCKETS // 2 :]
            used = dict(newest)
        self._buckets = used


class AccountLimits:
    """Accounts may have rates of their own, which all their keys share; thread-safe. An account whose rate was changed
    starts with a full bucket."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_rate: dict[float, RateLimits] = {}

    def wait_s(self, account_id: str, rate_per_s: float) -> float:
        """See `RateLimits.wait_s`."""
        rate = max(LEAST_PER_S, rate_per_s)
        if rate not in self._by_rate and len(self._by_rate) >= MOST_RATES:
            self._by_rate.clear()
        return self._by_rate.setdefault(rate, RateLimits(self._clock, rate)).wait_s(account_id)


def has_to_wait(keys: RateLimits, accounts: AccountLimits, caller: Caller) -> tuple[float, str]:
    """The seconds until a caller may ask, and why; 0 where it may ask now, which counts."""
    wait_s = keys.wait_s(caller.key_id or caller.user_id)
    if wait_s > 0:
        return wait_s, f"too many requests with this key; try again in {wait_s:.1f} s"
    rate = caller.requests_per_s
    if rate is not None and (wait_s := accounts.wait_s(caller.account_id, rate)) > 0:
        said = f"account '{caller.account_id}' may make {rate:g} requests a second (requestsPerS)"
        return wait_s, f"{said} and made more; try again in {wait_s:.1f} s"
    return 0.0, ""
