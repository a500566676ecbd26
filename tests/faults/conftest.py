from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.homeserver import Homeserver
from tests.faults.judge import FaultRunner
from tests.faults.proxy import FaultyProxy
from tests.faults.scenarios import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def audit_runner() -> Iterator[FaultRunner]:
    """A runner for audits: an audit reads all rooms, so this homeserver has few."""
    with Homeserver() as server, FaultyProxy(server.url) as proxy:
        yield FaultRunner(World(server, "audit"), proxy)


@pytest.fixture(scope="session")
def runner() -> Iterator[FaultRunner]:
    """A runner with a separate homeserver, and the proxy in front of it."""
    with Homeserver() as server, FaultyProxy(server.url) as proxy:
        yield FaultRunner(World(server, "test"), proxy)
