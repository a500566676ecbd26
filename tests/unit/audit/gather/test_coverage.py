"""The time limit of an audit."""

from __future__ import annotations

import time
from concurrent.futures import Future

import pytest

from synadmin.audit.gather.coverage import Coverage, Needs, OutOfTimeError


def coverage_for(seconds: float) -> Coverage:
    return Coverage(Needs({}), until=time.monotonic() + seconds)


def test_missing_answer_is_awaited_until_the_time_limit() -> None:
    with pytest.raises(OutOfTimeError):
        coverage_for(0.2).awaited(Future[None]())


def test_answer_after_the_time_limit_is_not_used() -> None:
    """The audit ends even where all answers come at once."""
    answered = Future[int]()
    answered.set_result(1)
    assert coverage_for(60).awaited(answered) == 1
    with pytest.raises(OutOfTimeError):
        coverage_for(0).awaited(answered)
