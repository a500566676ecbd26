from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.parallel import Pool, looking_ahead, on_one_core, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_pool_runs_in_parallel_and_returns_each_result() -> None:
    pool = Pool(4)
    barrier = threading.Barrier(4)

    def doubled(number: int) -> int:
        barrier.wait(10)
        return number * 2

    futures = [pool.submit(doubled, number) for number in range(4)]
    assert [future.result(10) for future in futures] == [0, 2, 4, 6]
    pool.close()


def test_error_is_raised_where_the_result_is_read() -> None:
    pool = Pool(1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result(10)
    assert pool.submit(lambda: "still here").result(10) == "still here"
    pool.close()


@contextmanager
def busy(pool: Pool) -> Iterator[None]:
    """Keep the only worker of a pool busy while the block runs."""
    started, release = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        release.wait(10)

    first = pool.submit(wait)
    started.wait(10)
    yield
    release.set()
    first.result(10)


def test_closed_pool_starts_nothing() -> None:
    pool = Pool(1)
    with busy(pool):
        second = pool.submit(lambda: None)
        pool.close()
    time.sleep(0.05)
    assert not second.done()


def test_cancelled_work_is_not_done() -> None:
    pool = Pool(1)
    with busy(pool):
        second = pool.submit(lambda: pytest.fail("it was cancelled"))
        assert second.cancel()
    assert pool.submit(lambda: "next").result(10) == "next"
    pool.close()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_on_one_core_limits_the_pool_to_one_core() -> None:
    before = os.sched_getaffinity(0)
    with on_one_core():
        pool = Pool(2)
        cores = [pool.submit(os.sched_getaffinity, 0).result(10) for _ in range(4)]
        pool.close()
    assert all(len(core) == 1 and core == cores[0] <= before for core in cores)
    assert os.sched_getaffinity(0) == before


def test_pool_works_where_cpu_affinity_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _cores: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    with on_one_core():
        pool = Pool(1)
        assert pool.submit(lambda: "done").result(10) == "done"
        pool.close()


def test_results_are_ordered_and_lookahead_is_bounded() -> None:
    started: list[int] = []
    first_two = threading.Barrier(2)

    def work(number: int) -> int:
        started.append(number)
        if number < 2:
            first_two.wait(60)
        return number * 2

    results = side_by_side(work, range(100), at_once=2)
    assert [next(results), next(results)] == [0, 2]
    results.close()
    assert len(started) <= 6


def test_failure_is_raised_in_order() -> None:
    results = side_by_side(lambda number: 6 // number, [3, 2, 0, 1], at_once=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_concurrency_of_one_needs_no_thread() -> None:
    results = side_by_side(lambda _: threading.current_thread(), [1, 2], at_once=1)
    assert set(results) == {threading.main_thread()}


def test_next_items_are_read_while_the_caller_works() -> None:
    started = [threading.Event() for _ in range(20)]

    def read(number: int) -> int:
        if number < len(started):
            started[number].set()
        if number == 3:
            raise NotFoundError(status=404, errcode="M_NOT_FOUND", reason="not found")
        return number * 2

    get = looking_ahead(read, range(20), at_once=2)
    assert get(0) == 0
    assert started[1].wait(60)
    assert not started[10].is_set()
    assert get(2) == 4  # item 1 was skipped
    with pytest.raises(NotFoundError):
        get(3)
    assert [get(19), get(19), get(30)] == [38, 38, 60]


def test_single_item_is_read_without_a_thread() -> None:
    get = looking_ahead(lambda _: threading.current_thread(), [1], at_once=8)
    assert get(1) is threading.main_thread()
