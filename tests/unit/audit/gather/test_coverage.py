"""How long an audit waits."""

from __future__ import annotations

import time
from concurrent.futures import Future

import pytest

from synadmin.audit.gather.coverage import Coverage, Needs, OutOfTimeError


def covering(seconds: float) -> Coverage:
    return Coverage(Needs({}), until=time.monotonic() + seconds)


def test_missing_answer_is_awaited_until_the_time_limit() -> None:
    with pytest.raises(OutOfTimeError):
        covering(0.2).awaited(Future[None]())


def test_answer_after_the_time_limit_is_not_used() -> None:
    """However quick the answers are, the run ends."""
    there = Future[int]()
    there.set_result(1)
    assert covering(60).awaited(there) == 1
    with pytest.raises(OutOfTimeError):
        covering(0).awaited(there)
