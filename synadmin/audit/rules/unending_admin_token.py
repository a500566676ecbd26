"""A personal token with admin rights that never expires.

Only where the Matrix Authentication Service (MAS) manages the accounts.

Why it matters

Anyone who finds the token can do everything on the server, forever.

What it shows

    The token "nightly audit" of @bob:example.org has admin rights and never expires.
    (details: user_id, session)

How to fix it

    synadmin mas token create audit-bot --name "nightly audit" --expires 90d
    synadmin mas token revoke 01K3V7J4Q8XW4FAXT9SH13TVE0
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "unending-admin-token"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_SESSIONS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each personal token with admin rights and without an end."""
    for session in facts.mas_sessions:
        if session.kind != "personal" or not session.is_admin or session.expires is not None:
            continue
        yield Found(
            subject=session.subject,
            message=f'The token "{session.name}" of {session.user_id} has admin rights and never expires.',
            fix=command("mas", "token", "revoke", session.id),
            details={"user_id": session.user_id, "session": session.id},
        )
