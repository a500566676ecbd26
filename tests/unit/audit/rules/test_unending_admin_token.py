"""Personal tokens with admin rights that never expire."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import SessionFacts
from synadmin.audit.rules import unending_admin_token as rule
from tests.unit.audit.rules.case import NOW, days_ago, finding, server
from tests.unit.power.rooms import BOB

SESSION = SessionFacts(
    id="01SESSION",
    kind="personal",
    name="nightly audit",
    user_id=BOB,
    may_be_admin=True,
    is_admin=True,
    created=days_ago(30),
    expires=None,
)
FOUND = server(mas_sessions=(SESSION,))
PASSED = {
    "the token expires": server(mas_sessions=(replace(SESSION, expires=NOW + 1),)),
    "the token has no admin rights": server(mas_sessions=(replace(SESSION, is_admin=False),)),
    "the session is from a client": server(mas_sessions=(replace(SESSION, kind="client"),)),
    "there is no token": server(),
}


def test_fix_revokes_the_named_token() -> None:
    found = finding(rule, FOUND)
    assert found.message == f'The token "nightly audit" of {BOB} has admin rights and never expires.'
    assert found.fix == "synadmin mas token revoke 01SESSION"
