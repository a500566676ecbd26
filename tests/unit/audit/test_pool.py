from __future__ import annotations

import threading
import time

import pytest

from synadmin.audit.pool import Pool


def test_a_pool_does_several_things_at_once_and_gives_each_its_result() -> None:
    pool = Pool(4)
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


def test_what_was_called_off_before_it_began_is_not_done() -> None:
    pool = Pool(1)
    begun, free = threading.Event(), threading.Event()

    def waiting() -> None:
        begun.set()
        free.wait(10)

    first = pool.submit(waiting)
    begun.wait(10)
    second = pool.submit(lambda: pytest.fail("it was called off"))
    assert second.cancel()
    free.set()
    first.result(10)
    assert pool.submit(lambda: "next").result(10) == "next"
    pool.close()
