"""Commands that change users: which, in what order, and what is looked at afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from synadmin.cli.targets import join_names
from synadmin.ids import UserId
from tests.unit.stub import ADMIN, refused, told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

USERS = "/_synapse/admin/v2/users"


def test_one_bad_name_in_a_list_stops_everything_before_it_begins(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    answer = synadmin("user", "lock", "--from", "-", stdin=b"@alice:example.org\nb b\n")

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_somebody_who_is_named_twice_is_changed_once(signed_in: Stub, synadmin: Synadmin) -> None:
    suspended = "/_synapse/admin/v1/suspend/%40alice%3Aexample.org"
    signed_in.on(suspended, told({}))
    account = {"name": "@alice:example.org", "suspended": False}
    signed_in.on(f"{USERS}/%40alice%3Aexample.org", told(account), told(account | {"suspended": True}))

    answer = synadmin("user", "suspend", "alice", "@alice:example.org", "--yes", "-o", "ndjson")

    assert len(answer.stdout.splitlines()) == 1
    assert [target for target in signed_in.targets if target.startswith("PUT")] == [f"PUT {suspended}"]


def test_a_yes_that_does_not_show_is_a_failure(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", told({"name": "@alice:example.org", "suspended": False}))

    answer = synadmin("user", "suspend", "alice", "--yes")

    answer.assert_is_one_clear_line(code=1)
    assert "the server reported success, but suspended of @alice:example.org is False" in answer.stderr


def test_ones_own_account_comes_last_and_the_token_that_is_gone_shows_that_it_worked(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    mine, hers = "%40admin%3Aexample.org", "%40alice%3Aexample.org"
    for user in (mine, hers):
        signed_in.on(f"/_synapse/admin/v1/deactivate/{user}", told({}))
        signed_in.on(f"/_synapse/admin/v1/users/{user}/memberships", told({"memberships": {}}))
    signed_in.on(
        f"{USERS}/{hers}", told({"name": "@alice:example.org"}), told({"name": "a", "deactivated": True})
    )
    signed_in.on(f"{USERS}/{mine}", told({"name": ADMIN}), refused(401, "M_UNKNOWN_TOKEN"))

    answer = synadmin("user", "deactivate", ADMIN, "alice", "--yes", "--confirm", ADMIN, "-o", "ndjson")

    assert answer.code == 0, answer
    outcomes = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(one["user_id"], one["outcome"]) for one in outcomes] == [
        ("@alice:example.org", "done"),
        (ADMIN, "done"),
    ]


def test_the_last_admin_needs_the_name_said_even_by_somebody_else(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    last = {"name": "@last:example.org", "admin": True}
    signed_in.on(USERS, told({"users": [last], "total": 1}))
    signed_in.on("*", told(last))

    answer = synadmin("user", "deactivate", "@last:example.org", "--yes")

    answer.assert_is_one_clear_line(code=5)
    assert "the last server admin" in answer.stderr
    assert not any(target.startswith("POST") for target in signed_in.targets)


def test_of_many_users_the_first_are_named() -> None:
    users = [UserId(f"@u{number}:example.org") for number in range(9)]

    assert join_names(users[:2]) == "@u0:example.org, @u1:example.org"
    assert join_names(users, most=1) == "@u0:example.org and 8 more"
