from __future__ import annotations

import threading
import time

import pytest

from synadmin.audit.pool import Pace, Pool


def test_a_pool_does_several_things_at_once_and_gives_each_its_result() -> None:
    pool = Pool(4)
    pool.pace.limit = 4
    together = threading.Barrier(4)

    def doubled(number: int) -> int:
        together.wait(10)
        return number * 2

    futures = [pool.submit(doubled, number) for number in range(4)]
    assert [future.result(10) for future in futures] == [0, 2, 4, 6]
    pool.close()


def test_what_goes_wrong_is_raised_where_the_result_is_asked_for() -> None:
    pool = Pool(1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result(10)
    assert pool.submit(lambda: "still here").result(10) == "still here"
    pool.close()


def test_a_closed_pool_begins_nothing_more() -> None:
    pool = Pool(1)
    begun, free = threading.Event(), threading.Event()

    def waiting() -> None:
        begun.set()
        free.wait(10)

    first = pool.submit(waiting)
    begun.wait(10)
    second = pool.submit(lambda: None)
    pool.close()
    free.set()
    first.result(10)
    time.sleep(0.05)
    assert not second.done()


class Clock:
    """A clock on which nothing takes longer than it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("synadmin.audit.pool.time.monotonic", lambda: self.now)

    def answers(self, pace: Pace, number: int, *, each: float) -> None:
        for _ in range(number):
            began = pace.begin()
            self.now += each
            pace.end(began)


def test_a_server_is_not_pressed_before_it_is_known_how_quick_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(8)
    assert (pace.limit, Pace(1).limit) == (2, 1)
    clock.answers(pace, 16, each=0.01)
    assert pace.limit == 4
    clock.answers(pace, 8, each=0.01)
    assert pace.limit == 8


def test_a_server_that_answers_as_ever_is_asked_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(8)
    clock.answers(pace, 200, each=0.3)
    assert pace.limit == 8


def test_a_server_far_away_is_not_taken_for_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(8)
    clock.answers(pace, 200, each=2.0)
    assert pace.limit == 8


def test_quick_answers_that_become_a_bit_slower_are_still_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(8)
    clock.answers(pace, 100, each=0.01)
    clock.answers(pace, 200, each=0.2)
    assert pace.limit == 8


def test_a_server_that_labours_is_asked_less_and_when_it_is_well_again_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, pace = Clock(monkeypatch), Pace(8)
    clock.answers(pace, 100, each=0.05)
    clock.answers(pace, 40, each=3.0)
    assert pace.limit in {1, 2}
    clock.answers(pace, 20, each=3.0)
    assert pace.limit == 1
    clock.answers(pace, 200, each=0.05)
    assert pace.limit == 8


def test_no_more_are_under_way_than_the_limit_allows() -> None:
    pool = Pool(8)
    pool.pace.limit = 2
    under_way, most = [0], [0]
    counting = threading.Lock()

    def counted() -> None:
        with counting:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)
        with counting:
            under_way[0] -= 1

    for future in [pool.submit(counted) for _ in range(12)]:
        future.result(10)
    assert most[0] == 2
    pool.close()
