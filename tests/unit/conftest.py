"""Fixtures for all unit tests: a stub homeserver, and a sleep that takes no time."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A homeserver on a loopback port; the test sets its answers."""
    with Stub() as server:
        yield server


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the sleep of synadmin, and return the list of the requested seconds.

    Threads that earlier tests have left, such as a request that is still retried, really sleep and are not
    listed.
    """
    slept: list[float] = []
    sleep = time.sleep
    old_threads = {*threading.enumerate()} - {threading.current_thread()}

    def fake_sleep(seconds: float) -> None:
        called_by_synadmin = sys._getframe(1).f_globals["__name__"].startswith("synadmin.")  # noqa: SLF001
        is_counted = called_by_synadmin and threading.current_thread() not in old_threads
        (slept.append if is_counted else sleep)(seconds)

    monkeypatch.setattr(time, "sleep", fake_sleep)
    return slept
