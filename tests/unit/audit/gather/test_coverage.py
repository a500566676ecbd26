"""How long an audit waits."""

from __future__ import annotations

import time
from concurrent.futures import Future

import pytest

from synadmin.audit.gather.coverage import Coverage, Needs, OutOfTimeError


def covering(seconds: float) -> Coverage:
    return Coverage(Needs({}), until=time.monotonic() + seconds)


def test_what_does_not_come_is_waited_for_until_the_time_is_up() -> None:
    with pytest.raises(OutOfTimeError):
        covering(0.2).awaited(Future[None]())


def test_what_has_come_is_too_late_when_the_time_is_up() -> None:
    """However quick the answers are, the run ends."""
    there = Future[int]()
    there.set_result(1)
    assert covering(60).awaited(there) == 1
    with pytest.raises(OutOfTimeError):
        covering(0).awaited(there)
