"""Findings of the audit where MAS manages the accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import encoded
from tests.live.mas.world import ALL_SCOPES, API, REAL

if TYPE_CHECKING:
    from tests.live.conftest import Synadmin
    from tests.live.mas.world import MasHomeserver


def audit(mas: MasHomeserver, synadmin: Synadmin, *options: str) -> dict[str, Any]:
    arguments = ("audit", "server", "users", "--fail-on", "never", "-o", "json", *options)
    answer = synadmin(*arguments, server=mas.server, acting=mas.admin)
    assert answer.code == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def found_subjects(report: dict[str, Any], rule: str) -> set[str]:
    return {one["subject"]["id"] for one in report["findings"] if one["rule"] == rule}


def test_audit_reads_states_sessions_and_admins_from_mas(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    half_deactivated, locked, stale = (mas_homeserver.new_user(name) for name in ("half", "locked", "stale"))
    admin = mas_homeserver.admin
    admin.call("POST", f"/_synapse/admin/v1/deactivate/{encoded(half_deactivated.user_id)}", {"erase": False})
    mas_homeserver.wait_until(lambda: admin.synapse.users.get(half_deactivated.user_id).deactivated)
    admin.modify_user(locked, locked=True)
    ulid = mas_homeserver.user(stale)["id"]
    body = {"actor_user_id": ulid, "human_name": "old admin", "scope": ALL_SCOPES}
    session = mas_homeserver.api("POST", "/personal-sessions", body)["data"]["id"]
    soon = mas_homeserver.api("POST", "/personal-sessions", {**body, "expires_in": 3 * 86400})["data"]["id"]
    leftover_body = {**body, "scope": API, "human_name": "synadmin 20261121T093000-a1b2c3-1", "expires_in": 1}
    leftover = mas_homeserver.api("POST", "/personal-sessions", leftover_body)["data"]
    mas_homeserver.wait_until(lambda: expired(mas_homeserver, leftover["attributes"]["expires_at"]))
    report = audit(mas_homeserver, synadmin)
    assert report["skipped"] == []
    assert half_deactivated.user_id in found_subjects(report, "half-deactivated")
    assert locked.user_id in found_subjects(report, "half-locked")
    assert session in found_subjects(report, "stale-admin-session")
    assert session in found_subjects(report, "unending-admin-token")
    assert soon in found_subjects(report, "token-expires-soon")
    assert leftover["id"] in found_subjects(report, "leftover-session")
    assert admin.user_id in found_subjects(report, "unexpected-server-admin")
    assert stale.user_id not in found_subjects(report, "unexpected-server-admin")
    for fix in (("user", "deactivate", half_deactivated.user_id), ("user", "lock", locked.user_id)):
        assert synadmin(*fix, "--yes", server=mas_homeserver.server, acting=admin).code == 0
    fixed = synadmin(
        "user", "admin", "revoke", stale.user_id, "--yes", server=mas_homeserver.server, acting=admin
    )
    assert fixed.code == 0, fixed.stderr
    report = audit(mas_homeserver, synadmin)
    assert half_deactivated.user_id not in found_subjects(report, "half-deactivated")
    assert locked.user_id not in found_subjects(report, "half-locked")
    assert not {session, soon} & found_subjects(report, "stale-admin-session")


def expired(mas: MasHomeserver, time: str) -> bool:
    """Return whether a time has passed by the clock of MAS, which is read from an answer."""
    made = mas.api("POST", "/user-registration-tokens", {})["data"]["attributes"]["created_at"]
    return bool(made[:19] > time[:19])


@pytest.mark.skipif(REAL is not None, reason="only the stand-in has knobs")
def test_audit_names_what_it_cannot_read(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    assert mas_homeserver.admin.user_id  # create the account while MAS serves its admin API
    with mas_homeserver.knobs(adminapi=False):
        report = audit(mas_homeserver, synadmin)
    reasons = " ".join(one["reason"] for one in report["skipped"])
    assert "sessions at MAS" in reasons
    assert "does not serve it" in reasons
