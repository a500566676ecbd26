"""What the unit tests share: a stand-in for a homeserver, and waits that cost no time."""

from __future__ import annotations

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
    """Let no wait take time, and list how many seconds each would have taken."""
    slept: list[float] = []
    monkeypatch.setattr("synadmin.http.transport.time.sleep", slept.append)
    return slept
