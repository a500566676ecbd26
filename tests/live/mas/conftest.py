"""Fixtures of a Synapse that delegates to MAS. Each request to MAS and each answer is validated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.mas.scene import MasScene
from tests.live.mas.world import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.mas.world import MasHomeserver


@pytest.fixture(scope="session")
def mas_homeserver() -> Iterator[MasHomeserver]:
    """A Synapse and the MAS that it delegates to."""
    with running() as mas:
        yield mas


@pytest.fixture
def scene(mas_homeserver: MasHomeserver, synadmin: Synadmin, newcomer: Newcomer) -> MasScene:
    """A room and its users on the Synapse with MAS."""
    return MasScene(mas_homeserver.server, synadmin, newcomer, mas_homeserver=mas_homeserver)


@pytest.fixture(autouse=True)
def _exchanges_match_the_description(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a request to MAS or its answer does not match the description of the admin API."""
    yield
    if "mas_homeserver" in request.fixturenames:
        mas: MasHomeserver = request.getfixturevalue("mas_homeserver")
        found, mas.violations = mas.violations, []
        assert found == []
