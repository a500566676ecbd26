from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from synadmin.audit.gather.limiter import ConcurrencyLimiter

if TYPE_CHECKING:
    import pytest


class Clock:
    """A clock that the test advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("synadmin.audit.gather.limiter.time.monotonic", lambda: self.now)

    def run_requests(self, limiter: ConcurrencyLimiter, number: int, *, seconds: float) -> None:
        for _ in range(number):
            started = limiter.begin()
            self.now += seconds
            limiter.end(started)


def test_limiter_starts_with_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limiter = Clock(monkeypatch), ConcurrencyLimiter(8)
    assert (limiter.limit, ConcurrencyLimiter(1).limit) == (2, 1)
    clock.run_requests(limiter, 16, seconds=0.01)
    assert limiter.limit == 4
    clock.run_requests(limiter, 8, seconds=0.01)
    assert limiter.limit == 8


def test_steady_server_gets_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limiter = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.run_requests(limiter, 200, seconds=0.3)
    assert limiter.limit == 8


def test_distant_server_is_not_treated_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limiter = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.run_requests(limiter, 200, seconds=2.0)
    assert limiter.limit == 8


def test_slightly_slower_answers_keep_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limiter = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.run_requests(limiter, 100, seconds=0.01)
    clock.run_requests(limiter, 200, seconds=0.2)
    assert limiter.limit == 8


def test_limiter_lowers_for_a_slow_server_and_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, limiter = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.run_requests(limiter, 100, seconds=0.05)
    clock.run_requests(limiter, 40, seconds=3.0)
    assert limiter.limit in {1, 2}
    clock.run_requests(limiter, 20, seconds=3.0)
    assert limiter.limit == 1
    clock.run_requests(limiter, 200, seconds=0.05)
    assert limiter.limit == 8


def test_requests_in_flight_stay_within_the_limit() -> None:
    limiter = ConcurrencyLimiter(2)
    in_flight, peak = [0], [0]
    lock, limit_reached = threading.Lock(), threading.Event()

    def send_request() -> None:
        started = limiter.begin()
        with lock:
            in_flight[0] += 1
            peak[0] = max(peak[0], in_flight[0])
            if peak[0] == limiter.limit:
                limit_reached.set()
        limit_reached.wait(60)
        with lock:
            in_flight[0] -= 1
        limiter.end(started)

    threads = [threading.Thread(target=send_request) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert peak[0] == 2
