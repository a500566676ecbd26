from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.delegation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A certificate authority, a nameserver, and whatever servers the test starts."""
    with World(tmp_path) as small_internet:
        yield small_internet
