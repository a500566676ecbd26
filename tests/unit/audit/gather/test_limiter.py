from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from synadmin.audit.gather.limiter import ConcurrencyLimiter

if TYPE_CHECKING:
    import pytest


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("synadmin.audit.gather.limiter.time.monotonic", lambda: self.now)

    def answers(self, pace: ConcurrencyLimiter, number: int, *, each: float) -> None:
        for _ in range(number):
            began = pace.begin()
            self.now += each
            pace.end(began)


def test_limiter_starts_with_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), ConcurrencyLimiter(8)
    assert (pace.limit, ConcurrencyLimiter(1).limit) == (2, 1)
    clock.answers(pace, 16, each=0.01)
    assert pace.limit == 4
    clock.answers(pace, 8, each=0.01)
    assert pace.limit == 8


def test_steady_server_gets_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.answers(pace, 200, each=0.3)
    assert pace.limit == 8


def test_distant_server_is_not_treated_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.answers(pace, 200, each=2.0)
    assert pace.limit == 8


def test_slightly_slower_answers_keep_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.answers(pace, 100, each=0.01)
    clock.answers(pace, 200, each=0.2)
    assert pace.limit == 8


def test_limiter_lowers_for_a_slow_server_and_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, pace = Clock(monkeypatch), ConcurrencyLimiter(8)
    clock.answers(pace, 100, each=0.05)
    clock.answers(pace, 40, each=3.0)
    assert pace.limit in {1, 2}
    clock.answers(pace, 20, each=3.0)
    assert pace.limit == 1
    clock.answers(pace, 200, each=0.05)
    assert pace.limit == 8


def test_requests_in_flight_stay_within_the_limit() -> None:
    pace = ConcurrencyLimiter(2)
    under_way, most = [0], [0]
    counting, together = threading.Lock(), threading.Event()

    def counted() -> None:
        began = pace.begin()
        with counting:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            if most[0] == pace.limit:
                together.set()
        together.wait(60)
        with counting:
            under_way[0] -= 1
        pace.end(began)

    threads = [threading.Thread(target=counted) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most[0] == 2
