"""Sessions with admin rights whose users are no longer server admins."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import SessionFacts
from synadmin.audit.rules import stale_admin_session as rule
from tests.unit.audit.rules.case import days_ago, finding, server
from tests.unit.power.rooms import BOB

SESSION = SessionFacts(
    id="01SESSION",
    kind="personal",
    name="nightly audit",
    user_id=BOB,
    may_be_admin=False,
    is_admin=True,
    created=days_ago(30),
    expires=None,
)
FOUND = server(mas_sessions=(SESSION,))
PASSED = {
    "the user is an admin": server(mas_sessions=(replace(SESSION, may_be_admin=True),)),
    "the session has no admin rights": server(mas_sessions=(replace(SESSION, is_admin=False),)),
    "the session has expired": server(mas_sessions=(replace(SESSION, expires=days_ago(1)),)),
    "there is no session": server(),
}


def test_fix_revokes_the_admin_right_and_the_session() -> None:
    found = finding(rule, FOUND)
    assert (found.subject.type, found.subject.id) == ("session", "01SESSION")
    assert found.fix == f"synadmin user admin revoke {BOB}"
