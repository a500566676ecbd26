"""Server admins who have not been active for a long time."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.rules import dormant_server_admin as rule
from synadmin.power.room import AccountState
from tests.unit.audit.rules.case import account, days_ago, finding, findings, noon_of, server
from tests.unit.power.rooms import BOB

FOUND = server(admins=(account(BOB, seen=noon_of(2024, 1, 31)),))
PASSED = {
    "seen lately": server(admins=(account(BOB, seen=days_ago(89)),)),
    "deactivated": server(admins=(account(BOB, seen=days_ago(500), state=AccountState.DEACTIVATED),)),
    "an application service's": server(admins=(account(BOB, seen=None, appservice=True),)),
    "never seen, but new": server(admins=(account(BOB, seen=None, created=days_ago(1)),)),
    "last activity and creation are unknown": server(admins=(account(BOB, seen=None, created=None),)),
}


def test_fix_revokes_the_admin_right() -> None:
    assert finding(rule, FOUND).fix == "synadmin user admin revoke @bob:example.org"


def test_account_that_was_never_used_is_found() -> None:
    found = finding(rule, server(admins=(account(BOB, seen=None, created=days_ago(200)),)))
    assert found.message == "@bob:example.org is a server admin, never seen."
    assert found.details == {"user_id": BOB, "seen": None, "days": 200}


def test_period_can_be_configured() -> None:
    away = server(admins=(account(BOB, seen=days_ago(40)),))
    assert not findings(rule, away)
    assert findings(rule, away, days=30)


def test_no_fix_where_the_admin_right_cannot_be_revoked() -> None:
    """Admins cannot revoke their own right, and MAS manages the rights of its accounts."""
    assert finding(rule, replace(FOUND, caller=BOB)).fix is None
    assert finding(rule, replace(FOUND, delegated=True)).fix is None
