"""Every operation of the Admin API was asked for, through the library and through a command.

This comes last (see ``conftest.py``): what was asked is read from the servers' own logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.app import app
from synadmin.cli.operations import operations

if TYPE_CHECKING:
    from synadmin.cli.operations import Operation
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.api.asked import Asked, Request


def not_among(requests: set[Request]) -> list[str]:
    # Synapse takes the longest literal path first: /media/delete is not /media/{server_name}/{media_id}.
    by_length = sorted(operations(app), key=lambda operation: operation.path.count("{"))
    reached: set[Operation] = set()
    for method, path in requests:
        for operation in by_length:
            if operation.is_asked_for_by(method, path):
                reached.add(operation)
                break
    return [f"{one.method} {one.path} ({one.call})" for one in operations(app) if one not in reached]


def test_every_operation_of_the_admin_api_was_requested(
    request: pytest.FixtureRequest,
    asked: Asked,
    homeserver: Homeserver,
    federation: tuple[Homeserver, Homeserver],
) -> None:
    collected = {item.path for item in request.session.items}
    if not collected.issuperset(Path(__file__).parent.glob("test_*.py")) or request.session.testsfailed:
        pytest.skip("says something only where all tests of the Admin API have run, and passed")
    for server in (homeserver, *federation):
        asked.gather(server)

    assert not_among(asked.library) == []
    assert not_among(asked.commands) == []
