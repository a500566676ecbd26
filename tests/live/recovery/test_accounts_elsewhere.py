"""A server whose accounts MAS manages, without MAS's admin API: server admins cannot impersonate users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.live.differential import room_state

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Synadmin
    from tests.live.delegated import Delegated


def log_ins(server: Homeserver) -> list[str]:
    return [request.uri for request in server.processed() if request.uri.endswith("/login")]


def test_make_room_admin_works_under_mas(delegated: Delegated, synadmin: Synadmin) -> None:
    room_id = delegated.someone("alice").make_room()
    arguments = ("room", "make-admin", room_id, "--allow", "reactivate", "--yes", "-o", "json")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    (record,) = json.loads(answer.stdout)
    assert (record["outcome"], record["control"], record["reach"]) == ("done", True, "api")


@pytest.mark.parametrize("state", ["left", "deactivated"])
@pytest.mark.parametrize("allow", [None, "impersonate", "reactivate"])
def test_impersonation_without_the_mas_api_is_refused_before_any_change(
    delegated: Delegated, synadmin: Synadmin, state: str, allow: str | None
) -> None:
    alice, bob = delegated.someone(f"alice-{state}-{allow}".lower()), delegated.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    if state == "deactivated":
        delegated.admin.modify_user(alice, deactivated=True)
    before = room_state(delegated.admin, room_id, delegated.admin.user_id)
    options = () if allow is None else ("--allow", allow)
    arguments = ("room", "make-admin", room_id, *options, "--yes", "-o", "json")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    (record,) = json.loads(answer.stdout)
    reason = "needs-impersonate" if state == "left" else "needs-reactivate"
    assert (answer.code, record["outcome"], record["reason"], record["reach"]) == (5, "refused", reason, None)
    assert "Matrix Authentication Service" in record["message"]
    assert "--allow" not in record["message"]
    assert record["steps"] == []
    assert room_state(delegated.admin, room_id, delegated.admin.user_id) == before
    assert log_ins(delegated.server) == []


def test_levels_are_changed_under_mas_with_the_admins_own_power(
    delegated: Delegated, synadmin: Synadmin
) -> None:
    alice, bob = delegated.someone("alice"), delegated.someone("bob")
    room_id = alice.make_room(members=[bob, delegated.admin], users={bob: 50})
    arguments = ("room", "demote", room_id, "bob", "--allow", "reactivate", "--yes")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 5
    assert "Matrix Authentication Service" in answer.stderr
    assert log_ins(delegated.server) == []
    alice.set_power(room_id, {delegated.admin: 100})
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    content = (delegated.admin.levels_event(room_id) or {})["content"]
    assert bob.user_id not in content["users"]
