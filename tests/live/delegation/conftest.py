from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.delegation.fake_internet import FakeInternet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[FakeInternet]:
    """A DNS server and a certificate authority on loopback. The test starts the other servers."""
    with FakeInternet(tmp_path) as started:
        yield started
