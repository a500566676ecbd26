"""Guests and missing accounts are refused as owners of a room before any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Reply, Stub

ROOM = "!club:example.org"
COMMANDS = (
    ("user", "offboard", "alice", "--to", "g"),
    ("room", "delete", ROOM, "--new-room-user", "g"),
    ("room", "upgrade", ROOM, "--to-version", "12", "--creator", "g"),
)
GUEST = json_reply({"name": "@g:example.org", "is_guest": True})


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (GUEST, (5, "@g:example.org is a guest account")),
        (refused(404, "M_NOT_FOUND", "User not found"), (4, "@g:example.org: User not found")),
    ],
    ids=["guest", "missing"],
)
def test_account_that_cannot_own_a_room_is_refused(
    signed_in: Stub, synadmin: Synadmin, command: tuple[str, ...], account: Reply, expected: tuple[int, str]
) -> None:
    signed_in.on("*", json_reply({"name": "@alice:example.org", "users": [], "total": 0, "room_id": ROOM}))
    versions = {"default": "12", "available": {"12": "stable"}}
    capabilities = json_reply({"capabilities": {"m.room_versions": versions}})
    signed_in.on("/_matrix/client/v3/capabilities", capabilities)
    signed_in.on("/_synapse/admin/v2/users/%40g%3Aexample.org", account)

    result = synadmin(*command, "--yes")

    code, words = expected
    result.assert_one_line_error(code=code)
    assert words in result.stderr
    assert all(request.method == "GET" for request in signed_in.requests)
