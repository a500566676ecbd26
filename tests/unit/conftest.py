"""What the unit tests share: a stand-in for a homeserver, and waits that cost no time."""

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
    """A homeserver on loopback that answers what the test tells it to."""
    with Stub() as server:
        yield server


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no wait of synadmin take time, and list how many seconds each would have taken.

    Threads that earlier tests have left, such as a request that is still repeated, sleep as ever and are not
    counted.
    """
    slept: list[float] = []
    sleep = time.sleep
    left = {*threading.enumerate()} - {threading.current_thread()}

    def nap(seconds: float) -> None:
        of_synadmin = sys._getframe(1).f_globals["__name__"].startswith("synadmin.")  # noqa: SLF001
        is_counted = of_synadmin and threading.current_thread() not in left
        (slept.append if is_counted else sleep)(seconds)

    monkeypatch.setattr(time, "sleep", nap)
    return slept
