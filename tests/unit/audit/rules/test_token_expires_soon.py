"""Personal tokens with admin rights that expire within days."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import DAY, SessionFacts
from synadmin.audit.rules import token_expires_soon as rule
from tests.unit.audit.rules.case import NOW, days_ago, findings, server
from tests.unit.power.rooms import BOB

SESSION = SessionFacts(
    id="01SESSION",
    kind="personal",
    name="nightly audit",
    user_id=BOB,
    may_be_admin=True,
    is_admin=True,
    created=days_ago(30),
    expires=NOW + 3 * DAY,
)
FOUND = server(mas_sessions=(SESSION,))
PASSED = {
    "the token expires later": server(mas_sessions=(replace(SESSION, expires=NOW + 8 * DAY),)),
    "the token has expired": server(mas_sessions=(replace(SESSION, expires=NOW),)),
    "the token never expires": server(mas_sessions=(replace(SESSION, expires=None),)),
    "the token was created for one day": server(
        mas_sessions=(replace(SESSION, created=NOW, expires=NOW + DAY),)
    ),
    "the token has no admin rights": server(mas_sessions=(replace(SESSION, is_admin=False),)),
    "there is no token": server(),
}


def test_period_can_be_configured() -> None:
    assert findings(rule, FOUND, days=2) == []
    assert len(findings(rule, FOUND, days=3)) == 1
