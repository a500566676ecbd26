"""A Synapse that delegates to MAS, and everything that is said to MAS validated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.mas.scene import MasScene
from tests.live.mas.world import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.mas.world import World


@pytest.fixture(scope="session")
def mas_homeserver() -> Iterator[World]:
    """A Synapse, the MAS that it delegates to, and an admin of both."""
    with running() as world:
        yield world


@pytest.fixture
def scene(mas_homeserver: World, synadmin: Synadmin, newcomer: Newcomer) -> MasScene:
    """A room and the people around it, there."""
    return MasScene(mas_homeserver.server, synadmin, newcomer, world=mas_homeserver)


@pytest.fixture(autouse=True)
def _every_exchange_fits_the_description(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which MAS was asked for, or answered, what its description does not have."""
    yield
    if "mas_homeserver" in request.fixturenames:
        world: World = request.getfixturevalue("mas_homeserver")
        found, world.violations = world.violations, []
        assert found == []
