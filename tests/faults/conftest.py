from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.homeserver import Homeserver
from tests.faults.judge import Court
from tests.faults.proxy import FaultyProxy
from tests.faults.scenarios import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def quiet_court() -> Iterator[Court]:
    """Another, for an audit: it looks at all rooms, and there are few."""
    with Homeserver() as server, FaultyProxy(server.url) as proxy:
        yield Court(World(server, "quiet"), proxy)


@pytest.fixture(scope="session")
def court() -> Iterator[Court]:
    """A homeserver of its own, with the proxy before it."""
    with Homeserver() as server, FaultyProxy(server.url) as proxy:
        yield Court(World(server, "test"), proxy)
