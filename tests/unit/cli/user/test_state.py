"""What a person is asked before accounts are deactivated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
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

    answer = synadmin("user", verb, "alice", "--yes")

    answer.assert_is_one_clear_line(code=1)
    assert "the server reported success, but locked of @alice:example.org is" in answer.stderr
