"""What the audit finds where MAS manages the accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import encoded
from tests.live.mas.world import ALL_SCOPES, API, REAL

if TYPE_CHECKING:
    from tests.live.conftest import Synadmin
    from tests.live.mas.world import World


def audit(world: World, synadmin: Synadmin, *options: str) -> dict[str, Any]:
    arguments = ("audit", "server", "users", "--fail-on", "never", "-o", "json", *options)
    answer = synadmin(*arguments, server=world.server, acting=world.admin)
    assert answer.code == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def found(report: dict[str, Any], rule: str) -> set[str]:
    return {one["subject"]["id"] for one in report["findings"] if one["rule"] == rule}


def test_audit_reads_states_sessions_and_admins_from_mas(mas_homeserver: World, synadmin: Synadmin) -> None:
    half, locked, stale = (mas_homeserver.someone(name) for name in ("half", "locked", "stale"))
    admin = mas_homeserver.admin
    admin.call("POST", f"/_synapse/admin/v1/deactivate/{encoded(half.user_id)}", {"erase": False})
    mas_homeserver.eventually(lambda: admin.synapse.users.get(half.user_id).deactivated)
    admin.modify_user(locked, locked=True)
    ulid = mas_homeserver.user(stale)["id"]
    body = {"actor_user_id": ulid, "human_name": "old admin", "scope": ALL_SCOPES}
    session = mas_homeserver.api("POST", "/personal-sessions", body)["data"]["id"]
    soon = mas_homeserver.api("POST", "/personal-sessions", {**body, "expires_in": 3 * 86400})["data"]["id"]
    left = {**body, "scope": API, "human_name": "synadmin 20261121T093000-a1b2c3-1", "expires_in": 1}
    leftover = mas_homeserver.api("POST", "/personal-sessions", left)["data"]
    mas_homeserver.eventually(lambda: expired(mas_homeserver, leftover["attributes"]["expires_at"]))
    report = audit(mas_homeserver, synadmin)
    assert report["skipped"] == []
    assert half.user_id in found(report, "half-deactivated")
    assert locked.user_id in found(report, "half-locked")
    assert session in found(report, "stale-admin-session")
    assert session in found(report, "unending-admin-token")
    assert soon in found(report, "token-expires-soon")
    assert leftover["id"] in found(report, "leftover-session")
    assert admin.user_id in found(report, "unexpected-server-admin")
    assert stale.user_id not in found(report, "unexpected-server-admin")
    for fix in (("user", "deactivate", half.user_id), ("user", "lock", locked.user_id)):
        assert synadmin(*fix, "--yes", server=mas_homeserver.server, acting=admin).code == 0
    fixed = synadmin(
        "user", "admin", "revoke", stale.user_id, "--yes", server=mas_homeserver.server, acting=admin
    )
    assert fixed.code == 0, fixed.stderr
    report = audit(mas_homeserver, synadmin)
    assert half.user_id not in found(report, "half-deactivated")
    assert locked.user_id not in found(report, "half-locked")
    assert not {session, soon} & found(report, "stale-admin-session")


def expired(world: World, moment: str) -> bool:
    """Whether a moment has passed by MAS's own clock, as its answers have it."""
    made = world.api("POST", "/user-registration-tokens", {})["data"]["attributes"]["created_at"]
    return bool(made[:19] > moment[:19])


@pytest.mark.skipif(REAL is not None, reason="a real MAS has no knobs")
def test_audit_names_what_it_cannot_read(mas_homeserver: World, synadmin: Synadmin) -> None:
    assert mas_homeserver.admin.user_id  # made while MAS can make accounts
    with mas_homeserver.knobs(adminapi=False):
        report = audit(mas_homeserver, synadmin)
    reasons = " ".join(one["reason"] for one in report["skipped"])
    assert "sessions at MAS" in reasons
    assert "does not serve it" in reasons
