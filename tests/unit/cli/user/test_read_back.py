"""Commands that change users: the order of the changes, and the state that is read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from synadmin.cli.targets import join_names
from synadmin.ids import UserId
from tests.unit.stub import ADMIN, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

USERS = "/_synapse/admin/v2/users"


def test_invalid_name_in_a_list_stops_before_any_change(signed_in: Stub, synadmin: Synadmin) -> None:
    result = synadmin("user", "lock", "--from", "-", stdin=b"@alice:example.org\nb b\n")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_user_named_twice_is_changed_once(signed_in: Stub, synadmin: Synadmin) -> None:
    suspended = "/_synapse/admin/v1/suspend/%40alice%3Aexample.org"
    signed_in.on(suspended, json_reply({}))
    account = {"name": "@alice:example.org", "suspended": False}
    signed_in.on(
        f"{USERS}/%40alice%3Aexample.org", json_reply(account), json_reply(account | {"suspended": True})
    )

    result = synadmin("user", "suspend", "alice", "@alice:example.org", "--yes", "-o", "ndjson")

    assert len(result.stdout.splitlines()) == 1
    assert [target for target in signed_in.targets if target.startswith("PUT")] == [f"PUT {suspended}"]


def test_change_not_read_back_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"name": "@alice:example.org", "suspended": False}))

    result = synadmin("user", "suspend", "alice", "--yes")

    result.assert_one_line_error(code=1)
    assert "the server reported success, but suspended of @alice:example.org is False" in result.stderr


def test_own_account_is_deactivated_last_and_its_invalid_token_means_done(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    mine, hers = "%40admin%3Aexample.org", "%40alice%3Aexample.org"
    for user in (mine, hers):
        signed_in.on(f"/_synapse/admin/v1/deactivate/{user}", json_reply({}))
        signed_in.on(f"/_synapse/admin/v1/users/{user}/memberships", json_reply({"memberships": {}}))
    signed_in.on(
        f"{USERS}/{hers}",
        json_reply({"name": "@alice:example.org"}),
        json_reply({"name": "a", "deactivated": True}),
    )
    signed_in.on(f"{USERS}/{mine}", json_reply({"name": ADMIN}), refused(401, "M_UNKNOWN_TOKEN"))

    result = synadmin("user", "deactivate", ADMIN, "alice", "--yes", "--confirm", ADMIN, "-o", "ndjson")

    assert result.code == 0, result
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["user_id"], record["outcome"]) for record in outcomes] == [
        ("@alice:example.org", "done"),
        (ADMIN, "done"),
    ]


def test_deactivation_of_the_last_admin_is_refused_without_its_name(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    last = {"name": "@last:example.org", "admin": True}
    signed_in.on(USERS, json_reply({"users": [last], "total": 1}))
    signed_in.on("*", json_reply(last))

    result = synadmin("user", "deactivate", "@last:example.org", "--yes")

    result.assert_one_line_error(code=5)
    assert "the last server admin" in result.stderr
    assert not any(target.startswith("POST") for target in signed_in.targets)


def test_question_names_the_first_of_many_users() -> None:
    users = [UserId(f"@u{number}:example.org") for number in range(9)]

    assert join_names(users[:2]) == "@u0:example.org, @u1:example.org"
    assert join_names(users, most=1) == "@u0:example.org and 8 more"
