"""The tests have requested each operation of the Admin API, with the library and with a command.

This test runs last (see ``conftest.py``): it reads the requests from the logs of the servers.
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
    from tests.live.api.answered_requests import AnsweredRequests, Request


def unrequested_operations(requests: set[Request]) -> list[str]:
    # Synapse takes the longest literal path first: /media/delete is not /media/{server_name}/{media_id}.
    by_length = sorted(operations(app), key=lambda operation: operation.path.count("{"))
    requested: set[Operation] = set()
    for method, path in requests:
        for operation in by_length:
            if operation.is_asked_for_by(method, path):
                requested.add(operation)
                break
    return [f"{one.method} {one.path} ({one.call})" for one in operations(app) if one not in requested]


def test_every_operation_of_the_admin_api_was_requested(
    request: pytest.FixtureRequest,
    answered_requests: AnsweredRequests,
    homeserver: Homeserver,
    federation: tuple[Homeserver, Homeserver],
) -> None:
    collected = {item.path for item in request.session.items}
    if not collected.issuperset(Path(__file__).parent.glob("test_*.py")) or request.session.testsfailed:
        pytest.skip("needs a run of all Admin API tests without a failure")
    for server in (homeserver, *federation):
        answered_requests.read_log(server)

    assert unrequested_operations(answered_requests.library) == []
    assert unrequested_operations(answered_requests.commands) == []
