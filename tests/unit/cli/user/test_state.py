"""The question before accounts are deactivated, and changes that are read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.recovery.rooms import POWER, LostRoom
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ALICE = "%40alice%3Aexample.org"


def test_question_names_the_accounts_and_the_effect(signed_in: Stub, work: Path) -> None:
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))
    signed_in.on(
        f"/_synapse/admin/v2/users/{ALICE}", json_reply({"name": "@alice:example.org", "admin": True})
    )
    signed_in.on("/_synapse/admin/v2/users/%40zed%3Aexample.org", refused(404, "M_NOT_FOUND"))
    signed_in.on(
        f"/_synapse/admin/v1/users/{ALICE}/joined_rooms",
        json_reply({"joined_rooms": ["!a", "!b"], "total": 2}),
    )
    signed_in.on(f"/_synapse/admin/v1/users/{ALICE}/memberships", json_reply({"memberships": {}}))
    signed_in.on("/_synapse/admin/v1/users/%40zed%3Aexample.org/memberships", json_reply({"memberships": {}}))
    signed_in.on(f"/_synapse/admin/v2/users/{ALICE}/devices", json_reply({"devices": [], "total": 1}))

    with Terminal("-m", "synadmin", "user", "deactivate", "alice", "zed", "--erase", cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("n\n")
        code = terminal.end()

    words = " ".join(terminal.shown.split())
    assert code == 2
    assert "@zed:example.org: failed: no (M_NOT_FOUND, HTTP 404)" in words
    assert "Plan: 1 to deactivate, 1 failed." in words
    assert "1 account will be deactivated and erased: @alice:example.org." in words
    assert "It leaves 2 rooms; 1 session and all encryption keys" in words
    assert "It is a server admin." in words
    assert not any(request.method == "POST" for request in signed_in.requests)


@pytest.mark.parametrize("verb", ["lock", "unlock"])
def test_account_unchanged_in_the_answer_is_not_done(signed_in: Stub, synadmin: Synadmin, verb: str) -> None:
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))
    signed_in.on(f"/_synapse/admin/v1/users/{ALICE}/memberships", json_reply({"memberships": {}}))
    account = {"name": "@alice:example.org", "locked": verb == "unlock"}
    signed_in.on(f"/_synapse/admin/v2/users/{ALICE}", json_reply(account))

    result = synadmin("user", verb, "alice", "--yes")

    result.assert_one_line_error(code=1)
    assert "the server reported success, but locked of @alice:example.org is" in result.stderr


def test_room_that_cannot_be_read_hides_no_other_warning(signed_in: Stub, synadmin: Synadmin) -> None:
    broken, chess = LostRoom(signed_in, "!broken:example.org"), LostRoom(signed_in)
    broken.on(POWER, refused(500, "M_UNKNOWN", "Internal server error"))
    chess.on("members", json_reply({"members": ["@alice:example.org", "@bob:example.org"], "total": 2}))
    rooms = json_reply({"memberships": {broken.id: "join", chess.id: "join"}})
    signed_in.on(f"/_synapse/admin/v1/users/{ALICE}/memberships", rooms)
    account = {"name": "@alice:example.org", "locked": False}
    locked = json_reply({**account, "locked": True})
    signed_in.on(f"/_synapse/admin/v2/users/{ALICE}", json_reply(account), locked)
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))

    result = synadmin("user", "lock", "alice", "--yes")

    assert result.code == 0, result
    summary, unread, found = result.stderr.splitlines()
    assert summary == "1 user: 1 done."
    assert unread == (
        "warning: synadmin cannot check who has control of 1 room (for '!broken:example.org': "
        "Internal server error (M_UNKNOWN, HTTP 500))"
    )
    assert found.startswith(
        "warning: @alice:example.org is the only user of this server with control of 1 room: "
        "!chess:example.org (Chess)."
    )
