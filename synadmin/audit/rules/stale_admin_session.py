"""A session with admin rights of a user who may no longer be an admin.

Only where the Matrix Authentication Service (MAS) manages the accounts. There a session keeps the rights that
it was granted. Compatibility tokens with admin rights are not found: MAS does not show which ones they are.

Why it matters

The user keeps the lost rights until the session ends.

What it shows

    A session of @bob:example.org (nightly audit) has admin rights, but the user may no longer be an admin.
    (details: user_id, session, kind)

How to fix it

    synadmin user admin revoke @bob:example.org
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "stale-admin-session"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_SESSIONS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each session that has rights which its user may no longer ask for."""
    for session in facts.mas_sessions:
        if not session.is_admin or session.may_be_admin:
            continue
        if session.expires is not None and session.expires <= facts.now:
            continue
        name = f" ({session.name})" if session.name else ""
        yield Found(
            subject=session.subject,
            message=f"A session of {session.user_id}{name} has admin rights, "
            "but the user may no longer be an admin.",
            fix=command("user", "admin", "revoke", session.user_id),
            details={"user_id": session.user_id, "session": session.id, "kind": session.kind},
        )
